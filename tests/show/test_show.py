"""What goes into a podcast's feed: read back by programs that did not write it."""

import json
import subprocess
from pathlib import Path

import av
import pytest

from earwitness.archive.bundle import compose_bundle
from earwitness.audio.facts import Preprocessed
from earwitness.audio.ffmpeg import ffmpeg_path
from earwitness.audio.listen import make_listening_copy
from earwitness.audio.validate import validate_recording
from earwitness.checks.bundle import Plan, check_files
from earwitness.checks.show import check_episode, check_feed_list
from earwitness.notes.notes import Chapter, Claim, Notes, Section
from earwitness.settings import ListenSettings, ShowSettings, ValidateSettings
from earwitness.show.chapters import Mark, ffmetadata, marks_of
from earwitness.show.make import Shown, choose_show_maker, make_show
from earwitness.show.notes import show_notes_html, show_notes_markdown
from earwitness.words.transcript import Utterance
from tests.archive.factory import make_findings
from tests.loudness import by_ffmpeg

TITLE = "A call = a talk; #1 \\ naïve <b>"
NAMES = {"SPEAKER_00": "Diane", "SPEAKER_01": "Sheila & co"}
TALK = [
    Utterance("u0001", "SPEAKER_00", 6_690, 7_120, "Hello?", ()),
    Utterance("u0002", "SPEAKER_01", 14_490, 17_920, "And I'm Sheila in Texas, originally from Chicago.", ()),
    Utterance("u0003", "SPEAKER_00", 18_050, 21_490, "Oh, I'm originally from Chicago also.", ()),
]


def notes(*starts: int | None) -> Notes:
    return Notes(
        profile="podcast",
        engine="extractive",
        title=TITLE,
        abstract="Two people talk <loudly>.",
        sections=[Section(heading="In this episode", claims=["c001", "c002"])],
        claims=[
            Claim(
                id="c001", text="Both are from *Chicago*.", section="In this episode", evidence=["u2"], supported=True
            ),
            Claim(id="c002", text="They are on the Moon.", section="In this episode", evidence=["u3"], supported=False),
        ],
        chapters=[
            Chapter(title=f"Part {n}: {TITLE}", first="u0001", last="u0002", start_ms=start)
            for n, start in enumerate(starts, 1)
        ],
        words_read=12,
    )  # fmt: skip


def show_of(recording: Path, artwork: Path | None = None, listen: float = -16.0) -> Shown:
    validated = validate_recording(recording, ValidateSettings(min_score=0))
    listening = make_listening_copy(recording, validated, ListenSettings(loudness_lufs=listen))
    settings = ShowSettings(make=True, name="The Show", author="Diane")
    length = validated.facts.duration_ms
    marks = notes(6_690, 14_490, 18_050)
    return make_show(listening, length, TALK, NAMES, marks, settings, choose_show_maker(), artwork)


@pytest.fixture(scope="module")
def artwork(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from PIL import Image

    path = tmp_path_factory.mktemp("art") / "art.webp"
    Image.new("RGB", (1_600, 1_200), (250, 30, 30)).save(path)
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("show")


@pytest.fixture(autouse=True)
def own_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One store for all tests here: they look at one episode."""
    monkeypatch.setenv("EARWITNESS_HOME", str(home))
    return home


@pytest.fixture(scope="module")
def shown(phone_call: Path, artwork: Path, home: Path) -> Shown:
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv("EARWITNESS_HOME", str(home))
        return show_of(phone_call, artwork)


def test_an_episode_has_all_that_a_feed_takes(shown: Shown) -> None:
    assert shown.warnings == []
    assert set(shown.files) == {
        f"show/{name}"
        for name in (
            "episode.mp3", "episode.m4a", "cover.jpg", "chapters.json", "transcript.srt", "transcript.vtt",
            "transcript.json", "notes.md", "notes.html",
        )
    }  # fmt: skip
    for name in ("episode.mp3", "episode.m4a"):
        path = shown.files[f"show/{name}"].path
        with av.open(str(path)) as container:
            tags = container.metadata
            assert (tags["title"], tags["album"], tags["artist"]) == (TITLE, "The Show", "Diane")
            starts = [chapter["start"] * (chapter["time_base"] or 0) for chapter in container.chapters()]
            assert [round(float(start), 3) for start in starts] == [0, 14.49, 18.05]
            assert [c["metadata"]["title"] for c in container.chapters()] == [f"Part {n}: {TITLE}" for n in (1, 2, 3)]
            (cover,) = container.streams.video
            assert (cover.width, cover.height) == (1_200, 1_200)
        loudness, peak = by_ffmpeg(path)
        assert loudness == pytest.approx(-19, abs=0.5)
        assert peak <= -1.0
    assert shown.loudness_lufs == pytest.approx(by_ffmpeg(shown.files["show/episode.mp3"].path)[0], abs=0.2)
    chapters = json.loads(shown.files["show/chapters.json"].path.read_text("utf-8"))
    assert chapters["version"] == "1.2.0"
    assert [entry["startTime"] for entry in chapters["chapters"]] == [0, 14.49, 18.05]
    transcript = json.loads(shown.files["show/transcript.json"].path.read_text("utf-8"))
    assert transcript["segments"][1] == {
        "speaker": "Sheila & co", "startTime": 14.49, "endTime": 17.92, "body": TALK[1].text
    }  # fmt: skip


def test_the_same_recording_gives_the_same_episode(shown: Shown, phone_call: Path, artwork: Path) -> None:
    assert show_of(phone_call, artwork).digest() == shown.digest()


def test_the_bundle_has_what_fits_the_recording(shown: Shown, phone_call: Path) -> None:
    validated = validate_recording(phone_call, ValidateSettings())
    nothing = dict.fromkeys(("listening", "diarized", "transcribed", "aligned", "talk", "summarized", "clipped"))
    fitting = {"preprocessed": Preprocessed(speech=validated.decoded, duration_ms=30_000), "validated": validated}
    composed = compose_bundle(make_findings(shown=shown, **fitting, **nothing))
    assert composed.missing == []
    listed = composed.files["manifest-sha256.txt"].path.read_text("utf-8")
    for name, file in shown.files.items():
        assert f"{file.sha256}  {name}" in listed
    other = compose_bundle(make_findings(shown=shown))
    assert "show/episode.mp3" not in other.files
    assert any("show/episode.mp3" in part.message for part in other.missing)


def test_the_mp3_has_a_table_of_contents_with_all_chapters_in_order(shown: Shown) -> None:
    data = shown.files["show/episode.mp3"].path.read_bytes()
    at = data.index(b"CTOC")
    size = int.from_bytes(data[at + 4 : at + 8], "big")
    body = data[at + 10 : at + 10 + size]
    assert body == b"toc\0" + b"\x03\x03" + b"ch0\0ch1\0ch2\0"
    length = sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
    assert data[10 + length : 12 + length][0] == 0xFF  # the first frame of sound follows the tag at once


def test_a_stereo_copy_that_is_loud_enough_is_not_encoded_again(phone_call: Path, tmp_path: Path) -> None:
    stereo = tmp_path / "stereo.wav"
    subprocess.run([ffmpeg_path(), "-v", "error", "-i", str(phone_call), "-af",
                    "pan=stereo|c0=c0|c1=0.7*c0,aresample=32000", str(stereo)], check=True)  # fmt: skip
    validated = validate_recording(stereo, ValidateSettings(min_score=0))
    listening = make_listening_copy(stereo, validated, ListenSettings())
    shown = make_show(listening, 30_000, [], {}, None, ShowSettings(make=True), choose_show_maker(), title="call")
    assert set(shown.files) == {"show/episode.mp3", "show/episode.m4a"}
    sums = [
        subprocess.run([ffmpeg_path(), "-v", "error", "-i", str(path), "-map", "0:a", "-c", "copy", "-f", "md5", "-"],
                       capture_output=True, check=True).stdout
        for path in (listening.audio.path, shown.files["show/episode.m4a"].path)
    ]  # fmt: skip
    assert sums[0] == sums[1]
    for name in shown.files:
        assert by_ffmpeg(shown.files[name].path)[0] == pytest.approx(-16, abs=0.5)


def test_chapters_have_no_gaps_and_begin_at_the_beginning() -> None:
    marks = marks_of(notes(6_690, None, 14_490, 14_490, 99_000), 30_000)
    assert [(mark.start_ms, mark.end_ms) for mark in marks] == [(0, 14_490), (14_490, 30_000)]
    assert marks_of(notes(6_690), 30_000) == []
    assert marks_of(notes(), 30_000) == []
    assert r"title=a\=b\;c\#d\\e" in ffmetadata({}, [Mark(0, 1, "a=b;c#d\\e")])


def test_show_notes_tell_only_what_is_supported_and_nothing_is_markup() -> None:
    marks = marks_of(notes(0, 14_490), 30_000)
    page, text = show_notes_html(notes(), marks), show_notes_markdown(notes(), marks)
    assert "<p>Two people talk &lt;loudly&gt;.</p>" in page
    assert "<li>Both are from *Chicago*.</li>" in page
    assert r"- Both are from \*Chicago\*." in text
    assert "0:00:14" in page
    for shown in (page, text):
        assert "Moon" not in shown
        assert "u0002" not in shown
        assert "<b>" not in shown


def test_a_bad_episode_is_found(shown: Shown, tmp_path: Path) -> None:
    good = shown.files
    whole = good["show/episode.mp3"].path.read_bytes()
    cut = tmp_path / "cut.mp3"
    cut.write_bytes(whole[: len(whole) // 2])
    (found,) = check_files({"show/episode.mp3": cut}, Plan(duration_ms=30_000))
    assert found.level == "error"
    assert "planned" in found.message
    wrong = check_episode(
        good["show/episode.m4a"].path, "episode.m4a", length_ms=30_000, title="Another", chapters=[], cover=False
    )
    assert [finding.level for finding in wrong] == ["error"] * 3
    other = tmp_path / "other.mp3"
    other.write_bytes(good["show/episode.m4a"].path.read_bytes())
    assert check_episode(other, "other.mp3", length_ms=30_000)
    assert check_episode(tmp_path / "none.mp3", "none.mp3", length_ms=30_000)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"version": "1.2.0", "chapters": []}',
        '{"version": "1.2.0", "chapters": [{"startTime": "0", "title": "a"}]}',
        '{"version": "1.2.0", "chapters": [{"startTime": 5, "title": "a"}, {"startTime": 0, "title": "b"}]}',
        "no JSON",
    ],
)
def test_bad_lists_are_found(text: str, tmp_path: Path) -> None:
    path = tmp_path / "chapters.json"
    path.write_text(text)
    assert [finding.level for finding in check_feed_list(path, "chapters.json")] == ["error"]
