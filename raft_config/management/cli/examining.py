"""How raft_verify and raft_doctor tell what they found."""

from __future__ import annotations

from collections.abc import Sequence

from ...operations.findings import Finding, Level
from .terminal import Exit, Terminal


def tell(terminal: Terminal, findings: Sequence[Finding]) -> Exit:
    """One line each; exit code 1 if something has to be mended."""
    wrong = sum(each.level is Level.ERROR for each in findings)
    summary = f"{wrong} of {len(findings)} findings have to be mended." if wrong else "All is well."
    unsure = sum(each.level in (Level.WARNING, Level.UNKNOWN) for each in findings)
    if unsure and not wrong:
        summary = f"Nothing is wrong; look at {unsure} of {len(findings)} findings."
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
    terminal.answer(data, [*map(str, findings), summary])
    return Exit.REFUSED if wrong else Exit.DONE
