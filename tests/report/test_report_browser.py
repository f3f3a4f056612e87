"""The page in a real browser, opened from disk as a user would."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from earwitness.archive.bundle import compose_bundle, place_bundle
from earwitness.archive.findings import Findings
from earwitness.audio.facts import IssueCode, QualityIssue
from earwitness.engines.engine import EngineUse
from earwitness.words.transcript import Word
from tests.archive.factory import make_findings, timed_words, words_ref

pytestmark = pytest.mark.browser

CHROMIUM = Path(os.environ.get("EARWITNESS_CHROMIUM", "/usr/bin/chromium"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        reason = f"no Chromium at {CHROMIUM}; set EARWITNESS_CHROMIUM to one"
        if os.environ.get("EARWITNESS_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as tool:
        running = tool.chromium.launch(
            executable_path=str(CHROMIUM), args=["--autoplay-policy=no-user-gesture-required"]
        )
        yield running
        running.close()


def until(page: Page, expression: str) -> None:
    """Wait for a JavaScript expression. Playwright's own polling evaluates strings, which the page's policy forbids."""
    deadline = time.monotonic() + 20
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"still false after 20 s: {expression}"
        page.wait_for_timeout(30)


@dataclass
class Opened:
    """A page and everything that it did."""

    page: Page
    folder: Path
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def time(self) -> float:
        return float(self.page.evaluate("document.querySelector('#audio').currentTime"))

    def wait_time(self, condition: str) -> float:
        until(self.page, f"(() => {{ const t = document.querySelector('#audio').currentTime; return {condition}; }})()")
        return self.time()


class Desk:
    """Opens bundles."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self.browser = browser
        self.folder = folder

    def open(self, findings: Findings, *, width: int = 1440, height: int = 900, dark: bool = False) -> Opened:
        bundle, _ = place_bundle(compose_bundle(findings, cast_given=True), self.folder)
        page = self.browser.new_page(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        opened = Opened(page, bundle)
        page.on("request", lambda request: opened.requests.append(request.url))
        page.on("console", lambda message: opened.complaints.append(message.text))
        page.on("pageerror", lambda error: opened.complaints.append(str(error)))

        def dismiss(dialog: object) -> None:
            opened.dialogs.append(str(dialog))
            dialog.dismiss()  # type: ignore[attr-defined]

        page.on("dialog", dismiss)
        page.goto((bundle / "report.html").as_uri())
        until(page, "document.documentElement.dataset.ready === 'yes'")
        return opened


@pytest.fixture
def desk(browser: Browser, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(browser, tmp_path)
    yield desk
    for context in browser.contexts:
        context.close()


def test_it_opens_from_disk_quietly_and_without_a_network(desk: Desk) -> None:
    opened = desk.open(make_findings())
    opened.page.wait_for_load_state("networkidle")
    assert opened.complaints == []
    assert all(url.startswith(("file://", "data:")) for url in opened.requests)
    assert {Path(url.split("#")[0]).name for url in opened.requests if url.startswith("file://")} <= {
        "report.html",
        "clip-1.mp4",
    }


def test_the_sound_plays_and_the_transcript_follows(desk: Desk) -> None:
    opened = desk.open(make_findings())
    if not opened.page.evaluate("document.createElement('audio').canPlayType('audio/mp4; codecs=mp4a.40.2')"):
        pytest.skip("this Chromium has no AAC decoder")
    opened.page.keyboard.press("Space")
    opened.wait_time("t > 1.5")
    opened.page.wait_for_selector(".u.now .w.now")
    assert opened.page.evaluate("document.querySelector('#audio').paused") is False
    assert opened.page.get_attribute("#play", "aria-label") == "Pause"
    opened.page.keyboard.press("Space")
    until(opened.page, "document.querySelector('#audio').paused")
    assert opened.page.evaluate("document.querySelector('#audio').duration") == pytest.approx(
        timed_words()[-1].end_ms / 1000 + 1.5, abs=0.2
    )


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles whose sound is shorter than they say: hours of it would only cost time here."""
    monkeypatch.setattr("earwitness.archive.bundle.check_files", lambda files, plan: [])


@pytest.mark.usefixtures("unchecked")
def test_a_long_recording_plays_the_file_beside_the_page(desk: Desk) -> None:
    findings = make_findings()
    long = findings.model_copy(
        update={"preprocessed": findings.preprocessed.model_copy(update={"duration_ms": 700_000})}
    )
    opened = desk.open(long)
    until(opened.page, "document.querySelector('#audio').readyState >= 1")
    assert (
        opened.page.evaluate("document.querySelector('#audio').currentSrc") == (opened.folder / "listen.m4a").as_uri()
    )
    opened.page.locator(".u .w").nth(12).click()
    opened.wait_time("t > 3")
    assert opened.complaints == []


def test_a_missing_sound_file_is_said_and_words_still_work(desk: Desk) -> None:
    opened = desk.open(make_findings(listening=None))
    (opened.folder / "audio.flac").unlink()
    opened.page.reload()
    opened.page.wait_for_selector("#silent:visible")
    assert "audio.flac" in opened.page.inner_text("#silent")
    assert opened.page.locator(".u").count() == 28


def test_a_click_on_a_word_seeks_to_it(desk: Desk) -> None:
    opened = desk.open(make_findings())
    words = timed_words()
    assert opened.time() == 0
    opened.page.locator("#u0003 .w").nth(4).click()
    third = [word for word in words if word.utterance == "u0003"]
    assert opened.wait_time("t > 1") == pytest.approx(third[4].start_ms / 1000, abs=0.01)
    assert opened.page.inner_text(".w.now") == third[4].text
    assert opened.page.inner_text("#clock") == f"0:{third[4].start_ms // 1000:02d}"


def seen(row: str) -> str:
    """True once a row is inside the transcript's panel and inside the window."""
    return f"""(() => {{ const row = document.querySelector('{row}').getBoundingClientRect();
        const box = document.querySelector('#rows').getBoundingClientRect();
        return row.top >= Math.max(box.top, 0) && row.bottom <= Math.min(box.bottom, innerHeight); }})()"""


@pytest.mark.parametrize(("citation", "cited"), [("#c006 .cite", "u0022"), ("#c007 .cite:last-of-type", "u0027")])
def test_a_citation_opens_the_words_it_rests_on(desk: Desk, citation: str, cited: str) -> None:
    opened = desk.open(make_findings())
    opened.page.locator(citation).click()
    opened.page.locator(f"#{cited}.cited").wait_for()
    until(opened.page, seen(f"#{cited}"))
    start = next(word.start_ms for word in timed_words() if word.utterance == cited)
    assert opened.wait_time("t > 1") == pytest.approx(start / 1000, abs=0.01)
    opened.page.locator(f"#{cited} .back").click()
    opened.page.locator(f"{citation.split()[0]}.flash").wait_for()


def test_the_story_cites_too(desk: Desk) -> None:
    opened = desk.open(make_findings())
    opened.page.locator("#story .cite").last.click()
    assert opened.page.locator("#u0019.cited").count() == 1


def test_the_timeline_shows_everybody_and_seeks(desk: Desk) -> None:
    opened = desk.open(make_findings())
    assert opened.page.locator(".lane-name b").all_inner_texts() == [
        "Marisol Vega",
        "Jonas Weidmann",
        "Tomasz Lis",
        "Priya Raman",
    ]
    assert opened.page.locator(".lane.both path").get_attribute("d")
    box = opened.page.locator(".tl-inner").bounding_box()
    assert box
    opened.page.locator(".tl-inner").click(position={"x": box["width"] / 2, "y": 20})
    duration = (timed_words()[-1].end_ms + 1_500) / 1000
    assert opened.wait_time("t > 1") == pytest.approx(duration / 2, abs=0.5)
    opened.page.locator("[data-zoom='1']").click()
    wider = opened.page.locator(".tl-inner").bounding_box()
    assert wider
    assert wider["width"] == pytest.approx(2 * box["width"], rel=0.02)


def test_search_and_speakers_narrow_the_transcript(desk: Desk) -> None:
    opened = desk.open(make_findings())
    opened.page.keyboard.press("/")
    opened.page.keyboard.type("bóat")
    until(opened.page, "document.querySelector('#found').textContent.startsWith('4 of 28')")
    assert opened.page.locator(".u:visible").count() == 4
    opened.page.locator(".chip", has_text="Priya").click()
    assert opened.page.locator(".u:visible").count() == 3
    opened.page.locator("#c001 .cite").first.click()
    assert opened.page.locator("#u0001.cited").is_visible(), "a citation shows its words whatever was searched"
    assert opened.page.locator(".u:visible").count() > 4


def test_arrows_move_and_typing_does_not(desk: Desk) -> None:
    opened = desk.open(make_findings())
    opened.page.keyboard.press("ArrowRight")
    assert opened.wait_time("t > 0") == pytest.approx(5, abs=0.01)
    opened.page.keyboard.press("Shift+ArrowRight")
    assert opened.wait_time("t > 10") == pytest.approx(35, abs=0.01)
    opened.page.keyboard.press("ArrowLeft")
    assert opened.wait_time("t < 34") == pytest.approx(30, abs=0.01)
    opened.page.locator("#search").fill("the boat")
    opened.page.keyboard.press("ArrowLeft")
    opened.page.keyboard.press(" ")
    assert opened.time() == pytest.approx(30, abs=0.01)
    assert opened.page.evaluate("document.querySelector('#audio').paused") is True


def test_doubtful_and_estimated_words_are_marked(desk: Desk) -> None:
    opened = desk.open(make_findings())
    opened.page.locator("#transcript").scroll_into_view_if_needed()
    opened.page.locator("#u0007").scroll_into_view_if_needed()
    until(opened.page, "document.querySelectorAll('.u .w.estimated').length >= 2")
    assert opened.page.locator(".u .w.unsure").first.get_attribute("title") == "The engine was 21 % sure"


XSS = (
    '</script><script>window.pwned=1;alert(1)</script><img src=x onerror="window.pwned=1">'
    "<svg onload=alert(1)>'\"\u2028&{{7*7}}"
)


def hostile() -> Findings:
    findings = make_findings()
    assert findings.summarized is not None
    assert findings.clipped is not None
    bad = XSS.replace(" ", "_")
    words = [Word(bad, w.start_ms, w.end_ms, w.score, w.speaker, w.utterance) for w in timed_words()]
    notes = findings.summarized.notes
    evil = notes.model_copy(
        update={
            "title": XSS,
            "abstract": XSS,
            "story": f"{XSS}\n\n[x](javascript:alert(1))\n",
            "claims": [claim.model_copy(update={"text": XSS}) for claim in notes.claims],
            "sections": [s.model_copy(update={"heading": XSS}) for s in notes.sections],
            "chapters": [c.model_copy(update={"title": XSS}) for c in notes.chapters],
        }
    )
    listing = findings.clipped.listing
    clips = [c.model_copy(update={"title": XSS, "reason": XSS, "preset": XSS}) for c in listing.clips]
    validated = findings.validated
    quality = validated.quality.model_copy(
        update={"issues": [QualityIssue(code=IssueCode.NOISE, severity="warning", message=XSS)]}
    )
    assert findings.aligned is not None
    return findings.model_copy(
        update={
            "source_name": XSS,
            "warnings": [XSS],
            "speakers": [s.model_copy(update={"name": XSS, "character": XSS, "role": XSS}) for s in findings.speakers],
            "engines": {XSS: EngineUse(name=XSS, version=XSS, model=XSS, degraded=True, reason=XSS)},
            "aligned": findings.aligned.model_copy(update={"words": words_ref(words)}),
            "summarized": findings.summarized.model_copy(update={"notes": evil}),
            "clipped": findings.clipped.model_copy(update={"listing": listing.model_copy(update={"clips": clips})}),
            "validated": validated.model_copy(update={"quality": quality}),
        }
    )


def test_hostile_names_and_words_are_inert(desk: Desk) -> None:
    opened = desk.open(hostile())
    page = opened.page
    page.locator("#u0001").scroll_into_view_if_needed()
    page.locator(".u .w").nth(3).click()
    page.locator(".cite").first.click()
    page.locator("#search").fill(XSS[:20])
    until(page, "document.querySelector('#found').textContent.includes('of 28')")
    assert opened.dialogs == []
    assert page.evaluate("window.pwned") is None
    assert page.locator("script").count() == 2
    assert page.locator("img").count() == 0
    assert page.locator("svg[onload]").count() == 0
    assert page.locator("a[href^='javascript']").count() == 0
    assert "{{7*7}}" in page.inner_text("h1")
    assert XSS.replace("\u2028", " ") in page.inner_text("h1").replace("\u2028", " ")
    assert not [text for text in opened.complaints if "Content Security Policy" in text], "nothing even tried"


def test_it_fits_a_phone_and_a_dark_room(desk: Desk) -> None:
    opened = desk.open(make_findings(), width=360, height=740, dark=True)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360
    background = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(int(part) for part in background[4:-1].split(",")) < 150
    opened.page.locator("#c006 .cite").click()
    until(
        opened.page,
        """(() => { const row = document.querySelector('#u0022').getBoundingClientRect();
        return row.top >= 0 && row.bottom <= innerHeight; })()""",
    )


def test_it_prints_all_the_words(desk: Desk) -> None:
    opened = desk.open(make_findings())
    opened.page.emulate_media(media="print")
    assert not opened.page.locator(".controls").is_visible()
    assert opened.page.evaluate("getComputedStyle(document.querySelector('.u')).contentVisibility") == "visible"
    assert opened.page.evaluate(
        "document.querySelector('#rows').scrollHeight <= document.querySelector('#rows').clientHeight + 2"
    )


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked")
def test_four_hours_stay_usable(desk: Desk) -> None:
    """40,000 words: words become elements only near the screen, and a far citation still lands."""
    findings = make_findings()
    assert findings.aligned is not None
    base, step = timed_words(), timed_words()[-1].end_ms + 1_500
    words = [
        Word(
            w.text,
            w.start_ms + n * step,
            w.end_ms + n * step,
            w.score,
            w.speaker,
            f"u{int(w.utterance[1:]) + 28 * n:04d}",
        )
        for n in range(136)
        for w in base
    ]
    duration = step * 136
    assert findings.summarized is not None
    notes = findings.summarized.notes
    far = notes.claims[0].model_copy(update={"evidence": ["u3700"]})
    opened = desk.open(
        findings.model_copy(
            update={
                "aligned": findings.aligned.model_copy(update={"words": words_ref(words), "word_count": len(words)}),
                "preprocessed": findings.preprocessed.model_copy(update={"duration_ms": duration}),
                "summarized": findings.summarized.model_copy(
                    update={"notes": notes.model_copy(update={"claims": [far, *notes.claims[1:]]})}
                ),
            }
        )
    )
    assert len(words) == 40_120
    assert (opened.folder / "report.html").stat().st_size < 2_500_000
    assert opened.page.locator(".u").count() == 136 * 28
    assert opened.page.locator(".u .w").count() < 4_000
    opened.page.locator("#c001 .cite").click()
    until(opened.page, seen("#u3700"))
    expected = [word.text for word in words if word.utterance == "u3700"]
    assert opened.page.locator("#u3700.cited .w").all_inner_texts() == expected
    opened.page.locator("#search").fill("hundred years")
    until(opened.page, "document.querySelector('#found').textContent === '136 of 3808 passages'")
    assert opened.complaints == []


def test_the_longest_monologue_of_a_speaker_plays(desk: Desk) -> None:
    findings = make_findings()
    assert findings.talk is not None
    longest = findings.talk.speakers["SPEAKER_02"].longest_monologue
    assert longest is not None
    opened = desk.open(findings)
    opened.page.locator("#speakers tbody tr").nth(2).locator("button.time").click()
    assert opened.wait_time(f"t >= {longest.start_s}") == pytest.approx(longest.start_s, abs=2)


@pytest.mark.parametrize("width", [1440, 900, 390])
def test_the_table_of_speakers_fits_its_window(desk: Desk, width: int) -> None:
    opened = desk.open(make_findings(), width=width)
    table = opened.page.locator("#speakers")
    box = table.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    ends = opened.page.evaluate(
        "[...document.querySelectorAll('#speakers tbody *')].map(found => found.getBoundingClientRect().right)"
    )
    assert max(ends) <= box["x"] + box["width"] - 10, "nothing sticks out of the card"
