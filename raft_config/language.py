"""The language of whoever reads an error; what is logged or sent to other nodes is English."""

from __future__ import annotations

from enum import Enum

from django.utils.translation import gettext

from .exceptions import RaftConfigError


def told(error: BaseException) -> str:
    """What an error says. One that is not ours, or that quotes a peer, says it in its own words."""
    if not isinstance(error, RaftConfigError) or not error.sentence:
        return str(error)
    sentence = gettext(error.sentence)
    if not error.facts:
        return sentence
    # A reason that is one of a few is translated as well; what somebody wrote is not.
    return sentence % {
        name: gettext(fact.value) if isinstance(fact, Enum) else fact
        for name, fact in error.facts.items()
    }
