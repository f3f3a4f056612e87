"""Whether the report is one whole HTML page that fetches nothing."""

import re
from html.parser import HTMLParser
from pathlib import Path

from earwitness.checks.finding import Finding, error
from earwitness.checks.text import read_utf8

_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
_LOADING = frozenset("src srcset href poster data action formaction background manifest xlink:href ping cite".split())
_REMOTE = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*:)?//|^\s*(?:https?|ftp|wss?|javascript|vbscript):", re.IGNORECASE)
_CSS_LOADS = re.compile(r"@import|url\(\s*['\"]?\s*(?!['\"]?(?:data:|#))([^)'\"]{0,80})", re.IGNORECASE)
_SCRIPT_LOADS = re.compile(r"\b(?:fetch|importScripts|XMLHttpRequest|WebSocket|EventSource|sendBeacon)\b|\bimport\s*\(")
_ONE_EACH = ("html", "head", "title", "body")
_LISTED = 5


def check_page(path: Path, name: str) -> list[Finding]:
    """Check a finished HTML page: complete, every element closed in its order, nothing loaded from elsewhere.

    Args:
        path: where it lies.
        name: its path in the bundle.
    """
    text = read_utf8(path)
    if text is None:
        return [error(name, "It is not UTF-8 text.")]
    if not text.lstrip()[:15].lower().startswith("<!doctype html"):
        return [error(name, "It does not begin as an HTML page.")]
    reader = _Reader()
    reader.feed(text)
    reader.close()
    if reader.open:
        reader.wrong.append(f"<{reader.open[-1][0]}> in line {reader.open[-1][1]} is never closed")
    for tag in _ONE_EACH:
        if reader.counts.get(tag, 0) != 1:
            reader.wrong.append(f"it has {reader.counts.get(tag, 0)} <{tag}> elements")
    if "Content-Security-Policy" not in text[:5000]:
        reader.wrong.append("it sets no content security policy")
    if not reader.wrong:
        return []
    shown = "; ".join(reader.wrong[:_LISTED])
    return [error(name, f"The page is not whole or not self-contained: {shown}.")]


class _Reader(HTMLParser):
    """Keeps the stack of open elements and notes what should not be there."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[tuple[str, int]] = []
        self.counts: dict[str, int] = {}
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look_at(tag, attrs)
        if tag not in _VOID:
            self.open.append((tag, self.getpos()[0]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look_at(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        line = self.getpos()[0]
        if not self.open or self.open[-1][0] != tag:
            self.wrong.append(f"</{tag}> in line {line} closes nothing that is open last")
            if any(name == tag for name, _ in self.open):
                while self.open.pop()[0] != tag:
                    continue
            return
        self.open.pop()

    def handle_data(self, data: str) -> None:
        inside = self.open[-1][0] if self.open else ""
        line = self.getpos()[0]
        if inside == "style" and (match := _CSS_LOADS.search(data)):
            self.wrong.append(f"the style in line {line} loads {match[0][:60]!r}")
        if inside == "script" and self._runs and (match := _SCRIPT_LOADS.search(data)):
            self.wrong.append(f"the script in line {line} uses {match[0]!r}")

    def _look_at(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        line = self.getpos()[0]
        values = {name: value or "" for name, value in attrs}
        self._runs = tag == "script" and "json" not in values.get("type", "")
        for name, value in values.items():
            if name.startswith("on"):
                self.wrong.append(f"<{tag}> in line {line} runs a script of its own ({name})")
            if name in _LOADING and _REMOTE.match(value):
                self.wrong.append(f"<{tag}> in line {line} points to {value[:60]!r}")
            if name == "style" and (match := _CSS_LOADS.search(value)):
                self.wrong.append(f"<{tag}> in line {line} loads {match[0][:60]!r}")
        if tag == "base" or (tag == "meta" and values.get("http-equiv", "").lower() == "refresh"):
            self.wrong.append(f"<{tag}> in line {line} leads elsewhere")

    _runs = False
