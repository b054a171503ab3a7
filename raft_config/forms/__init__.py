"""The forms of the admin's pages.

settings  some settings, which knows what was changed since it was shown, and by whom
comment   what every page that changes something asks for
fields    what they are made of
"""

from .comment import CommentForm
from .fields import Shown, value_of
from .settings import CHOICE, RESET, VALUE, Changes, SettingsForm

__all__ = [
    "CHOICE",
    "RESET",
    "VALUE",
    "Changes",
    "CommentForm",
    "SettingsForm",
    "Shown",
    "value_of",
]
