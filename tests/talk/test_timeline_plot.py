"""The timeline as a picture."""

import base64
import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from earwitness.speech.turns import Turn
from earwitness.talk.plot import timeline_markdown, timeline_svg
from earwitness.words.cast import Speaker
from tests.archive.factory import make_findings

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text><script>alert(1)</script> | `x` ![a](b) <img src=x onerror=alert(1)>\n# h"


def boxes(svg: str) -> list[list[tuple[float, float]]]:
    """(left, width) of what is drawn in each lane."""
    paths = [path.attrib["d"] for path in ElementTree.fromstring(svg).iter(f"{SVG}path")]
    return [[(float(x), float(w)) for x, w in re.findall(r"M([\d.e+]+) [\d.]+h([\d.e+]+)v", path)] for path in paths]


def test_lanes_show_when_everybody_speaks() -> None:
    turns = [
        Turn(start_ms=0, end_ms=50_000, speaker="A"),
        Turn(start_ms=50_000, end_ms=100_000, speaker="B"),
        Turn(start_ms=75_000, end_ms=100_000, speaker="A"),
    ]
    people = [Speaker(label="A", name="Ann"), Speaker(label="B", name="Bob"), Speaker(label="C", name="Cal")]
    room = 960 - 190 - 20
    drawn = boxes(timeline_svg(turns, people, 100_000))
    assert [
        [tuple(round((x - 190 * (n == 0)) / room, 2) for n, x in enumerate(box)) for box in lane] for lane in drawn
    ] == [
        [(0.0, 0.5), (0.75, 0.25)],
        [(0.5, 0.5)],
        [],
    ]


@given(
    st.lists(st.tuples(st.integers(0, 14_400_000), st.integers(1, 400_000)), max_size=40),
    st.integers(0, 14_400_000),
    st.text(max_size=60),
)
def test_any_turns_and_names_give_a_picture_that_can_be_read(
    spans: list[tuple[int, int]], duration_ms: int, name: str
) -> None:
    turns = [Turn(start_ms=start, end_ms=start + length, speaker="A") for start, length in spans]
    svg = timeline_svg(turns, [Speaker(label="A", name=name)], duration_ms)
    (lane,) = boxes(svg)
    assert bool(lane) == bool(spans)
    assert all(left >= 189 and left + width <= 941 for left, width in lane)
    assert len(svg) < 30_000


def test_a_long_recording_stays_small() -> None:
    turns = [Turn(start_ms=n * 1_000, end_ms=n * 1_000 + 700, speaker="AB"[n % 2]) for n in range(14_400)]
    people = [Speaker(label=label, name=label) for label in "AB"]
    assert len(timeline_markdown(turns, people, 14_400_000)) < 60_000


def test_hostile_names_are_inert(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = make_findings()
    assert findings.diarized is not None
    bad = [speaker.model_copy(update={"name": HOSTILE, "role": HOSTILE}) for speaker in findings.speakers]
    text = timeline_markdown(findings.diarized.turns, bad, findings.preprocessed.duration_ms, findings.talk)
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    monkeypatch.setattr(markdown, "validateLink", lambda _: True)  # it lets no SVG pass; Prefect's page does
    html = markdown.render(text)
    assert "<script" not in html
    assert "onerror=alert(1)>" not in html
    assert html.count("<img") == 1, "the picture itself"
    assert "<code>" not in html
    assert html.count("<tr>") == 5
    assert html.count("<td") == 9 * 4
    svg = base64.b64decode(text.split("base64,")[1].split(")")[0]).decode()
    assert not list(ElementTree.fromstring(svg).iter(f"{SVG}script"))


def test_figures_and_marks_stand_in_the_table() -> None:
    findings = make_findings()
    assert findings.diarized is not None
    leading = findings.speakers[0].model_copy(update={"role_by": "inferred"})
    people = [leading, *findings.speakers[1:]]
    text = timeline_markdown(findings.diarized.turns, people, findings.preprocessed.duration_ms, findings.talk)
    assert "| Marisol Vega | game master \\(inferred\\) | 52 % |" in text
    assert "118 Hz" in text
    assert "|" not in timeline_markdown(findings.diarized.turns, people, 1_000, None)
