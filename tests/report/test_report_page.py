import base64
import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.archive.bundle import published_utterances
from earwitness.archive.findings import Findings, Missing
from earwitness.archive.record import describe_recording
from earwitness.report.page import build_report, island
from earwitness.report.timeline import lane_path, overlaps, wave_path
from earwitness.report.view import clock_short, duration_text, story_html
from earwitness.speech.turns import Turn
from earwitness.words.cast import Speaker
from tests.archive.factory import make_findings


def page(findings: Findings, *, cast_given: bool = True) -> str:
    utterances = published_utterances(findings)
    record = describe_recording(findings, utterances, cast_given=cast_given)
    return build_report(findings, record, utterances).decode("utf-8")


class Reader(HTMLParser):
    """Collects what a browser would load or jump to."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.inline: list[str] = []
        self.images = 0
        self.labels: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.addresses += [value for name in ("src", "href", "poster") if (value := found.get(name))]
        self.inline += [name for name in found if name.startswith("on") or name == "style"]
        self.images += tag == "img"
        if found.get("id"):
            self.ids.append(str(found["id"]))
        self.labels.append((tag, found))


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    return reader


def test_the_same_findings_give_the_same_page() -> None:
    assert page(make_findings()) == page(make_findings())


def test_the_page_asks_nothing_of_a_network() -> None:
    reader = read(page(make_findings()))
    assert all(
        address.startswith(("#", "data:", "clips/")) or address in {"listen.m4a"} for address in reader.addresses
    ), reader.addresses
    assert reader.inline == [], "the policy forbids inline handlers and styles"


def test_every_anchor_has_a_target_and_no_id_is_used_twice() -> None:
    reader = read(page(make_findings()))
    targets = {address[1:] for address in reader.addresses if address.startswith("#")}
    assert targets <= set(reader.ids)
    assert len(reader.ids) == len(set(reader.ids))


def test_the_policy_lets_only_the_pages_own_script_and_style_run() -> None:
    import hashlib

    html = page(make_findings())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy
    text = policy[1].replace("&#39;", "'")
    assert text.startswith("default-src 'none'; ")
    assert "unsafe" not in text
    for tag in ("script", "style"):
        (body,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in text


def test_short_recordings_carry_their_sound_and_long_ones_play_the_file_beside_them() -> None:
    findings = make_findings()
    assert 'src="data:audio/mp4;base64,' in page(findings)
    long = findings.model_copy(
        update={"preprocessed": findings.preprocessed.model_copy(update={"duration_ms": 600_001})}
    )
    html = page(long)
    assert 'id="audio" controls preload="metadata" src="listen.m4a"' in html
    assert len(html) < 200_000
    assert 'src="audio.flac"' in page(make_findings(listening=None)), "better the engines' copy than none"


def test_everything_that_was_found_is_on_the_page() -> None:
    html = page(make_findings())
    for text in (
        "The knight of Hollow Keep",
        "Marisol Vega",
        "Tamsin Reed, player",
        "Brannoch wanted the boat.",
        "A promise",
        "Four people in quick exchange around one joke.",
        "no HF_TOKEN is set",
        "1 of 8 steps ran on a fallback engine",
        "No paid service was used: $0.00.",
        "high-pass 80 Hz, denoise",
        "Steady noise lies 31.5 dB below the voices",
        "not supported by its source: check",
        "Made by machine.",
        "could be 3 (31 %)",
        "\u221266.9 dBFS",
    ):
        assert text in html, text


def test_cleaning_that_did_not_help_is_not_claimed() -> None:
    findings = make_findings()
    enhancement = findings.preprocessed.enhancement
    assert enhancement is not None
    tried = enhancement.model_copy(update={"helped": False})
    html = page(make_findings(preprocessed=findings.preprocessed.model_copy(update={"enhancement": tried})))
    assert "was tried and did not help" in html
    assert "cleaned before the engines heard it" not in html


def test_a_partial_result_says_so_first() -> None:
    missing = Missing(stage="summarize", code="engine-failed", message="The notes failed.", remedy="Run again.")
    html = page(make_findings(summarized=None, missing=[missing]))
    assert html.index("This result is partial") < html.index('id="timeline"')
    assert "The notes failed." in html
    assert "Run again." in html


@pytest.mark.parametrize("part", ["diarized", "talk", "aligned", "summarized", "clipped", "listening", "transcribed"])
def test_the_page_stands_whatever_is_missing(part: str) -> None:
    changes = {part: None, "missing": [Missing(stage="x", code="x", message="No.")]}
    html = page(make_findings(**changes))
    assert "This result is partial" in html
    assert "None" not in re.sub(r"<script.*?</script>|<style.*?</style>", "", html, flags=re.DOTALL)


def rows_of(html: str) -> list[list[str]]:
    """The cells of the table of speakers, tags apart."""
    section = html.split('id="speakers"')[1].split("</section>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", section.split("<tbody>")[1], re.DOTALL)
    return [
        [
            " ".join(re.sub("<[^>]*>", " ", cell).split())
            for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        ]
        for row in rows
    ]


def test_the_table_of_speakers_says_how_they_talk() -> None:
    first, second, *_ = rows_of(page(make_findings()))
    assert first == [
        "Marisol Vega game master", "52 % 58 s", "10", "160", "118 Hz 118–118 Hz", "+1 dB", "0", "1", "0:01 13 s",
    ]  # fmt: skip
    assert second[0] == "Jonas Weidmann Tamsin Reed, player"


def test_an_inferred_role_says_so_wherever_it_stands() -> None:
    findings = make_findings()
    guessed = [findings.speakers[0].model_copy(update={"role_by": "inferred"}), *findings.speakers[1:]]
    html = page(make_findings(speakers=guessed))
    assert html.count("game master (inferred)") == html.count("game master") >= 2
    assert "(inferred)" not in page(findings)


def test_without_the_analysis_there_is_no_table_and_without_words_there_are_dashes() -> None:
    assert 'id="speakers"' not in page(make_findings(talk=None))
    assert 'href="#speakers"' not in page(make_findings(talk=None))
    findings = make_findings()
    assert findings.talk is not None
    wordless = {
        label: talk.model_copy(
            update={"words": None, "words_per_minute": None, "pitch": None, "level": None, "longest_monologue": None}
        )
        for label, talk in findings.talk.speakers.items()
    }
    rows = rows_of(page(make_findings(talk=findings.talk.model_copy(update={"speakers": wordless}))))
    assert rows[0] == ["Marisol Vega game master", "52 % 58 s", "10", "–", "–", "–", "0", "1", "–"]


def test_unnamed_speakers_come_with_advice() -> None:
    unnamed = [Speaker(label=f"SPEAKER_0{n}", name=f"SPEAKER_0{n}") for n in range(4)]
    assert "Give a cast file" in page(make_findings(speakers=unnamed), cast_given=False)
    assert "Give a cast file" not in page(make_findings(speakers=unnamed), cast_given=True)
    assert "Give a cast file" not in page(make_findings(), cast_given=False)


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'`&{{7*7}}"


@given(
    st.recursive(
        st.text() | st.integers() | st.just(HOSTILE), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_an_island_can_not_be_left(value: object) -> None:
    text = island(value)
    assert json.loads(text) == value
    assert not set(text) & set("<>&\u2028\u2029")


def test_stories_are_prose_and_nothing_else() -> None:
    findings = make_findings()
    known = {u.id: u for u in published_utterances(findings)}
    story = (
        "# Title\n\nA *knight*. [u0003] [u9999]\n\n<script>alert(1)</script>\n\n"
        "[click](javascript:alert(1)) ![x](http://evil/x.png) <http://evil>\n\n[a]: http://evil\n"
    )
    html = story_html(story, known, {"u0003": 3})
    assert "<em>knight</em>" in html
    assert 'data-u="u0003"' in html
    assert "[u9999]" in html, "an unknown citation stays as it was written"
    assert "<script" not in html
    assert "<a " not in html.replace('<a class="cite"', "")
    assert "<img" not in html
    assert "<h1" not in html, "the title stands above already"


def test_overlaps_are_where_two_speak_at_once() -> None:
    turns = [
        Turn(start_ms=0, end_ms=1_000, speaker="A"),
        Turn(start_ms=800, end_ms=2_000, speaker="B"),
        Turn(start_ms=900, end_ms=950, speaker="C"),
        Turn(start_ms=2_000, end_ms=3_000, speaker="A"),
    ]
    assert overlaps(turns) == [(800, 1_000)]
    assert overlaps([]) == []


def test_paths_are_as_long_as_what_they_draw() -> None:
    assert lane_path([(0, 1_000), (5_000, 5_001)]) == "M0 1h100v8h-100zM500 1h1v8h-1z"
    path, width = wave_path([0, 50, 100])
    assert width == 30
    assert path.count("M") == 3
    assert wave_path([])[0] == ""
    assert wave_path(list(range(101)) * 20)[0].count("M") == 480


def test_times_read_as_people_write_them() -> None:
    assert [clock_short(ms) for ms in (0, 61_000, 600_000, 3_600_000)] == ["0:00", "1:01", "10:00", "1:00:00"]
    assert [duration_text(ms) for ms in (900, 90_000, 11_520_000)] == ["1 s", "1 min 30 s", "3 h 12 min"]


def test_form_fields_and_media_have_names_for_those_who_can_not_see() -> None:
    reader = read(page(make_findings()))
    for tag, attributes in reader.labels:
        if tag == "video" or (tag == "input" and attributes.get("type") == "range"):
            assert attributes.get("aria-label"), attributes
        if tag == "th":
            assert attributes.get("scope"), attributes
