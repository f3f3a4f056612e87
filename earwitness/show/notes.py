"""Show notes: what listeners read under an episode, as Markdown and as plain HTML for the feed."""

from collections.abc import Sequence
from html import escape as harmless

from earwitness.notes.markdown import escape
from earwitness.notes.notes import Notes
from earwitness.show.chapters import Mark
from earwitness.words.formats import clock_text


def _sections(notes: Notes) -> list[tuple[str, list[str]]]:
    """Headings with what was found under them; what its evidence does not carry is nothing to publish."""
    claims = {claim.id: claim for claim in notes.claims}
    found = [(s.heading, [claims[key].text for key in s.claims if claims[key].supported]) for s in notes.sections]
    return [(heading, lines) for heading, lines in found if lines]


def show_notes_markdown(notes: Notes, marks: Sequence[Mark]) -> str:
    """Title, abstract, sections and chapters, without the citations: those are in notes.md."""
    parts = [f"# {escape(notes.title)}"]
    if notes.abstract:
        parts.append(escape(notes.abstract))
    for heading, lines in _sections(notes):
        parts.append("\n".join([f"## {escape(heading)}", "", *(f"- {escape(line)}" for line in lines)]))
    if marks:
        times = (f"- {clock_text(mark.start_ms)} {escape(mark.title)}" for mark in marks)
        parts.append("\n".join(["## Chapters", "", *times]))
    return "\n\n".join(parts) + "\n"


def show_notes_html(notes: Notes, marks: Sequence[Mark]) -> str:
    """The same for `content:encoded` of a feed: paragraphs, headings and lists, which every app shows."""
    parts = [f"<p>{harmless(notes.abstract)}</p>"] if notes.abstract else []
    for heading, lines in _sections(notes):
        parts += [f"<h2>{harmless(heading)}</h2>", _list(lines)]
    if marks:
        parts += ["<h2>Chapters</h2>", _list([f"{clock_text(mark.start_ms)} {mark.title}" for mark in marks])]
    return "\n".join(parts or [f"<p>{harmless(notes.title)}</p>"]) + "\n"


def _list(lines: Sequence[str]) -> str:
    return "\n".join(["<ul>", *(f"<li>{harmless(line)}</li>" for line in lines), "</ul>"])
