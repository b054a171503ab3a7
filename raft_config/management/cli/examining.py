"""How raft_verify and raft_doctor tell what they found."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from ...operations.findings import Finding, Level
from .terminal import Exit, Terminal


def tell(terminal: Terminal, findings: Sequence[Finding]) -> Exit:
    """One line each; exit code 1 if something has to be mended."""
    wrong = sum(each.level is Level.ERROR for each in findings)
    unsure = sum(each.level in (Level.WARNING, Level.UNKNOWN) for each in findings)
    facts = {"wrong": wrong, "unsure": unsure, "all": len(findings)}
    summary = _("All is well.")
    if wrong:
        summary = _("%(wrong)d of %(all)d findings have to be mended.")
    elif unsure:
        summary = _("Nothing is wrong; look at %(unsure)d of %(all)d findings.")
    data = {
        "errors": wrong,
        "findings": [
            {
                "level": each.level.value,
                "subject": each.subject,
                "text": each.text,
                "remedy": each.remedy,
            }
            for each in findings
        ],
    }
    terminal.answer(data, [*map(str, findings), summary % facts])
    return Exit.REFUSED if wrong else Exit.DONE
