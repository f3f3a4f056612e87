"""Texts, tables, documents and pages that came out wrong, alone and in a bundle."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from earwitness.archive import bundle
from earwitness.archive.bundle import compose_bundle, published_utterances
from earwitness.archive.planned import plan_of
from earwitness.checks.bundle import Plan, check_files
from earwitness.checks.finding import errors_of
from earwitness.errors import ContractBroken
from tests.archive.factory import make_findings, stored


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], Plan]:
    """A whole bundle, and what it should hold."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EARWITNESS_HOME", str(tmp_path_factory.mktemp("home")))
        findings = make_findings()
        composed = compose_bundle(findings)
        made = {name: ref.path for name, ref in composed.files.items() if not name.startswith("manifest")}
        return made, plan_of(findings, published_utterances(findings))


def told(path: Path, content: bytes, name: str, plan: Plan) -> str:
    path.write_bytes(content)
    return " ".join(errors_of(check_files({name: path}, plan)).get(name, []))


def test_a_whole_bundle_passes(files: tuple[dict[str, Path], Plan]) -> None:
    made, plan = files
    assert errors_of(check_files(made, plan)) == {}


def test_every_file_that_is_empty_or_missing_is_found(files: tuple[dict[str, Path], Plan], tmp_path: Path) -> None:
    made, plan = files
    for name in made:
        assert told(tmp_path / "file", b"", name, plan) == "It is empty."
        assert errors_of(check_files({name: tmp_path / "gone"}, plan)) == {name: ["It is missing."]}


def test_where_nobody_speaks_a_transcript_without_a_line_is_right(tmp_path: Path) -> None:
    names = ("transcript.srt", "transcript.txt", "turns.rttm")
    for name in names:
        (tmp_path / name).touch()
    files = {name: tmp_path / name for name in names}
    assert check_files(files, Plan(duration_ms=1000, turns=0)) == []
    assert len(check_files(files, Plan(duration_ms=1000, turns=1, words=2))) == 3


def test_every_file_that_holds_noise_is_found(files: tuple[dict[str, Path], Plan], tmp_path: Path) -> None:
    made, plan = files
    for name in made:
        assert told(tmp_path / "file", bytes(range(256)) * 20, name, plan), name


def test_every_file_that_was_cut_in_half_is_found(files: tuple[dict[str, Path], Plan], tmp_path: Path) -> None:
    made, plan = files
    # half of the notes is good Markdown, and the captions of these clips hold one line
    for name in sorted(set(made) - {"notes.md", "story.md", "turns.rttm", "clips/clip-1.srt", "clips/clip-2.srt"}):
        content = made[name].read_bytes()
        assert told(tmp_path / "file", content[: len(content) // 2], name, plan), name


def swapped(old: str, new: str) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        assert old.encode() in content
        return content.replace(old.encode(), new.encode(), 1)

    return change


WRONG: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "empty notes": ("notes.md", lambda _: b"\n \n", "It has 0 words; at least 1 should be there."),
    "endless notes": ("notes.md", lambda content: content + b"and so on " * 20_000, "at most"),
    "latin-1": ("transcript.txt", lambda content: content + b"caf\xe9", "not UTF-8"),
    "a control character": ("transcript.txt", lambda content: b"\x1b[31m" + content, "U+001B"),
    "lost words": ("transcript.txt", lambda content: content[: len(content) // 2], "should be there"),
    "no JSON": ("recording.json", swapped("{", "("), "not valid JSON"),
    "a number that is none": ("notes.json", swapped('"words_read": ', '"words_read": NaN, "x": '), "no number of JSON"),
    "a key twice": ("clips.json", swapped('"clips"', '"reason": "", "reason": "", "clips"'), "twice"),
    "an unknown key": ("transcript.json", swapped('"language"', '"tongue": "", "language"'), "breaks its schema"),
    "a remote picture": ("report.html", swapped("</body>", "<img src='https://a.b/c.png'></body>"), "https://a.b"),
    "a tag left open": ("report.html", swapped("</body>", "<div></body>"), "not whole"),
    "no policy": ("report.html", swapped("Content-Security-Policy", "X-Nothing"), "no content security policy"),
    "turns without end": ("turns.rttm", lambda _: b"SPEAKER x 1 0.5\n", "no RTTM"),
    "turns after the end": (
        "turns.rttm",
        lambda content: content + b"SPEAKER x 1 9000 2 <NA> <NA> A <NA> <NA>\n",
        "after the end of the recording",
    ),
    "no turns": ("turns.rttm", lambda _: b";; nobody\n", "It has no turns"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_fault_is_found(what: str, files: tuple[dict[str, Path], Plan], tmp_path: Path) -> None:
    made, plan = files
    name, change, said = WRONG[what]
    assert said in told(tmp_path / "file", change(made[name].read_bytes()), name, plan)


TABLES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "rows lost": (lambda frame: frame.iloc[:-1], "rows; there should be"),
    "a column lost": (lambda frame: frame.drop(columns="end_s"), "missing ['end_s']"),
    "times as text": (lambda frame: frame.assign(start_s=frame["start_s"].astype(str)), "must hold double"),
    "no number": (lambda frame: frame.assign(start_s=float("inf")), "times that are no number"),
    "before the start": (lambda frame: frame.assign(start_s=-1.0), "starts before the recording"),
    "backwards": (lambda frame: frame.assign(end_s=0.0), "ends before their starts"),
    "past the end": (lambda frame: frame.assign(end_s=frame["end_s"] + 600), "ends after the recording"),
}


@pytest.mark.parametrize("what", TABLES)
@pytest.mark.parametrize("name", ["turns.parquet", "words.parquet"])
def test_a_fault_of_a_table_is_found(what: str, name: str, files: tuple[dict[str, Path], Plan], tmp_path: Path) -> None:
    made, plan = files
    change, said = TABLES[what]
    path = tmp_path / name
    change(pd.read_parquet(made[name])).to_parquet(path, index=False)
    assert said in " ".join(errors_of(check_files({name: path}, plan))[name])


def test_a_file_that_nobody_knows_is_an_error(tmp_path: Path) -> None:
    assert "No bundle has a file of that name" in told(tmp_path / "file", b"x", "extra.txt", Plan(duration_ms=1_000))


# ---------------------------------------------------------------- in the bundle


def test_a_bad_listening_copy_is_left_out_and_said(files: tuple[dict[str, Path], Plan]) -> None:
    good = make_findings()
    assert good.listening is not None
    content = good.listening.audio.path.read_bytes()
    cut = good.listening.model_copy(update={"audio": stored(content[: len(content) // 2], "listen.m4a")})
    composed = compose_bundle(good.model_copy(update={"listening": cut}))
    assert set(composed.files) == set(files[0]) - {"listen.m4a"} | {"manifest-sha256.txt"}
    assert [part.code for part in composed.missing] == ["check-failed"]
    assert "listen.m4a" in composed.missing[0].message
    record = composed.files["recording.json"].path.read_text("utf-8")
    assert '"check-failed"' in record
    assert '"outcome": "partial"' in record


def test_a_broken_clip_goes_with_its_captions_and_from_the_list() -> None:
    good = make_findings()
    assert good.clipped is not None
    broken = {**good.clipped.files, "clips/clip-2.m4a": stored(b"not a sound", "clip-2.m4a")}
    composed = compose_bundle(good.model_copy(update={"clipped": good.clipped.model_copy(update={"files": broken})}))
    assert {name for name in composed.files if name.startswith("clips/")} == {"clips/clip-1.mp4", "clips/clip-1.srt"}
    assert "clip-2" not in composed.files["clips.json"].path.read_text("utf-8")


def test_nothing_is_published_without_its_sound() -> None:
    good = make_findings()
    cut = good.preprocessed.model_copy(update={"speech": stored(b"fLaC", "audio.flac")})
    with pytest.raises(ContractBroken, match=r"audio\.flac did not pass the check"):
        compose_bundle(good.model_copy(update={"preprocessed": cut}))


def test_a_transcript_that_was_written_badly_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "plain_text", lambda *_: "Sam: hm\n")
    composed = compose_bundle(make_findings())
    assert [part.message.split()[0] for part in composed.missing] == ["transcript.txt"]
    assert "transcript.txt" not in composed.files
    assert "transcript.txt" not in composed.files["manifest-sha256.txt"].path.read_text("utf-8")


def test_remarks_are_in_the_record() -> None:
    good = make_findings()
    assert good.clipped is not None
    fast = stored(b"1\n00:00:00,000 --> 00:00:00,400\nFar too many letters for so short a time\n\n", "clip.srt")
    files = {**good.clipped.files, "clips/clip-1.srt": fast}
    composed = compose_bundle(good.model_copy(update={"clipped": good.clipped.model_copy(update={"files": files})}))
    assert composed.missing == []
    assert [(finding.level, finding.file) for finding in composed.checks] == [("warning", "clips/clip-1.srt")]
    assert "hard to read along" in composed.files["recording.json"].path.read_text("utf-8")
