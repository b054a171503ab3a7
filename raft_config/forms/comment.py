"""What every page that changes something asks for."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from ..models import MAX_COMMENT_CHARACTERS


class CommentForm(forms.Form):
    """What every page that changes something asks for."""

    nonce = forms.UUIDField(widget=forms.HiddenInput)
    """Drawn when the page is shown, so that a second press of its button has no second effect."""
    comment = forms.CharField(
        required=False,
        max_length=MAX_COMMENT_CHARACTERS,
        label=_("Comment"),
        help_text=_("Why? It is kept in the history."),
        widget=forms.TextInput,
    )

    def __init__(self, data: QueryDict | None = None, **options: Any) -> None:
        super().__init__(data, use_required_attribute=False, **options)
        self.initial["nonce"] = uuid.uuid4()

    def request_id(self, *content: object) -> str:
        """The same for the same content of the same page, whatever was the comment."""
        return uuid.uuid5(self.cleaned_data["nonce"], repr(content)).hex
