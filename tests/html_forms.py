"""What a browser would send of a page's last form: for tests that press Save."""

from __future__ import annotations

from html.parser import HTMLParser


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._textarea: str | None = None
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "form":
            self.fields = {}
        elif tag == "textarea":
            self._textarea = name
            self.fields[name] = ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in given:
            self.fields[self._select] = given["value"]
        elif tag == "input" and name and _is_sent(given):
            absent = "on" if given.get("type") in ("checkbox", "radio") else ""
            self.fields[name] = given.get("value", absent)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._textarea = None
        elif tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        if self._textarea is not None:
            # A line break right after the tag is not part of the text.
            known = self.fields[self._textarea]
            self.fields[self._textarea] = known + (data if known else data.removeprefix("\n"))


def _is_sent(given: dict[str, str]) -> bool:
    if given.get("type") in ("submit", "button") or "disabled" in given:
        return False
    return given.get("type") not in ("checkbox", "radio") or "checked" in given


def read_form(html: str) -> dict[str, str]:
    """Name -> value of each control that a browser would send, of the last form in the page."""
    reader = _FormReader()
    reader.feed(html)
    return reader.fields
