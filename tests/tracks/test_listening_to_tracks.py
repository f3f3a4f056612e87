"""From tracks to turns, words and a mix: bleed is nobody's speech twice, and one bad track costs only itself."""

import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from earwitness.audio.facts import Validated
from earwitness.audio.listen import make_listening_copy
from earwitness.audio.validate import refuse_if_unusable, validate_recording
from earwitness.errors import BadRecording
from earwitness.evaluation.diarization import diarization_score, whole_file
from earwitness.settings import AlignSettings, ListenSettings, PreprocessSettings, TranscribeSettings, ValidateSettings
from earwitness.speech.segments import Segment, Transcribed
from earwitness.speech.transcribe import choose_recogniser
from earwitness.speech.turns import Diarized
from earwitness.tracks.align import align_tracks, labels_of
from earwitness.tracks.diarize import diarize_tracks, joined, tracks_engine
from earwitness.tracks.facts import Layout, TracksPreprocessed, TracksValidated
from earwitness.tracks.find import content_digest
from earwitness.tracks.measure import validate_tracks
from earwitness.tracks.preprocess import preprocess_tracks
from earwitness.tracks.transcribe import transcribe_tracks
from earwitness.voices.sample import stored_portraits, take_sample
from earwitness.words.align import choose_aligner
from earwitness.words.transcript import read_words
from tests.tracks.conftest import RATE_HZ, Parted, write_tracks, zip_folder

Tracks = dict[str, npt.NDArray[np.float64]]


def validated(path: Path, layout: Layout = "speakers", slice_ms: tuple[int, int] | None = None) -> TracksValidated:
    return validate_tracks(path, content_digest(path), layout, ValidateSettings(), slice_ms)


def heard(path: Path, layout: Layout = "speakers") -> tuple[TracksPreprocessed, Diarized]:
    speech = preprocess_tracks(validated(path, layout), PreprocessSettings())
    return speech, diarize_tracks(speech, None, tracks_engine("speakers", "auto"))


def error_rate(parted: Parted, found: Diarized, names: dict[str, str]) -> float:
    named = [turn.model_copy(update={"speaker": names.get(turn.speaker, turn.speaker)}) for turn in found.turns]
    score = diarization_score(parted.turns, named, whole_file(30_000, parted.turns))
    assert score.error_rate is not None
    return score.error_rate


@pytest.mark.parametrize(("bleed_db", "delay_ms"), [(None, 0), (-20, 40), (-12, 20), (-12, 40)])
def test_who_speaks_is_known_and_bleed_is_nobodys_speech(
    parted: Parted, tmp_path: Path, bleed_db: float | None, delay_ms: int
) -> None:
    folder = write_tracks(tmp_path / "talk", parted.tracks(bleed_db, delay_ms))
    speech, found = heard(folder)
    assert speech.names() == {"SPEAKER_00": "diane", "SPEAKER_01": "sheila"}
    assert (found.count.count, found.count.given) == (2, True)
    assert error_rate(parted, found, speech.names()) < 0.15  # half a frame and a pad at each of 20 edges
    assert {turn.speaker for turn in found.turns} == {"SPEAKER_00", "SPEAKER_01"}
    # while Sheila talks for seven seconds, Diane's copy is silent, whatever her microphone heard
    samples, rate = soundfile.read(speech.tracks[0].speech.path)
    assert rate == RATE_HZ
    assert np.abs(samples[23 * rate : 27 * rate]).max() == 0
    assert np.abs(samples[11 * rate : 14 * rate]).max() > 0.01


def test_people_who_speak_at_once_both_keep_their_speech(parted: Parted, tmp_path: Path) -> None:
    tracks = parted.tracks(-15, 30)
    diane = parted.voices["diane"][11 * RATE_HZ : 14 * RATE_HZ]
    at = slice(23 * RATE_HZ, 26 * RATE_HZ)
    tracks["diane"][at] += diane
    late = slice(23 * RATE_HZ + 480, 26 * RATE_HZ + 480)
    tracks["sheila"][late] += 10 ** (-15 / 20) * diane
    _, found = heard(write_tracks(tmp_path / "talk", tracks))
    both = [(turn.start_ms, turn.end_ms) for turn in found.turns if turn.speaker == "SPEAKER_00"]
    shared_ms = sum(max(0, min(end, 26_000) - max(start, 23_000)) for start, end in both)
    assert shared_ms > 1_500  # of three seconds, pauses included
    assert any(turn.speaker == "SPEAKER_01" and turn.start_ms < 23_000 < 26_000 < turn.end_ms for turn in found.turns)
    assert all(first.end_ms <= second.start_ms for first, second in pairwise(found.exclusive))


def test_a_silent_track_is_a_warning_and_no_speaker(parted: Parted, tmp_path: Path) -> None:
    tracks = {**parted.tracks(), "zoe": np.zeros(30 * RATE_HZ)}
    speech, found = heard(write_tracks(tmp_path / "talk", tracks))
    assert found.count.count == 2
    assert speech.tracks[-1].name == "zoe"
    assert speech.tracks[-1].spans == []
    assert any("zoe" in warning and "no speech" in warning for warning in speech.warnings)
    assert "zoe" not in speech.names().values()


def test_a_mix_and_a_copy_beside_the_tracks_are_nobody(parted: Parted, tmp_path: Path) -> None:
    tracks = parted.tracks(-20, 30)
    tracks = {**tracks, "everyone": tracks["diane"] + tracks["sheila"], "second": 0.5 * tracks["sheila"]}
    speech, found = heard(write_tracks(tmp_path / "talk", tracks))
    assert found.count.count == 2
    assert set(speech.names().values()) == {"diane", "sheila"}
    assert any("everyone is a mix" in warning for warning in speech.warnings)
    assert any("sheila and second hold the same" in warning for warning in speech.warnings)


def test_tracks_of_different_rates_lengths_and_formats_are_one_recording(parted: Parted, tmp_path: Path) -> None:
    folder = tmp_path / "talk"
    folder.mkdir()
    tracks = parted.tracks()
    soundfile.write(folder / "1-diane.wav", np.repeat(tracks["diane"], 3), 48_000, "FLOAT")
    stereo = np.stack([tracks["sheila"][: 29 * RATE_HZ]] * 2, axis=1)
    soundfile.write(folder / "2-sheila.flac", stereo, RATE_HZ)
    result = validated(folder)
    assert [track.validated.facts.sample_rate_hz for track in result.tracks] == [48_000, RATE_HZ]
    assert (result.facts.sample_rate_hz, result.facts.channels, result.facts.container) == (48_000, 1, "folder")
    assert result.facts.duration_ms == 30_000
    speech = preprocess_tracks(result, PreprocessSettings())
    assert speech.tracks[1].spans[-1][1] <= 29_000
    assert result.warnings == []


def test_the_mix_holds_everybody_and_does_not_clip(tmp_path: Path) -> None:
    time = np.arange(5 * RATE_HZ) / RATE_HZ
    tracks = {f"p{n}": 0.9 * np.sin(2 * np.pi * 220 * time) for n in range(4)}
    tracks["p3"] = 0.9 * np.sin(2 * np.pi * 330 * time)
    result = validated(write_tracks(tmp_path / "loud", tracks))
    assert result.mix is not None
    samples, _ = soundfile.read(result.mix.path)
    assert 0.8 < np.abs(samples).max() < 0.99
    spectrum = np.abs(np.fft.rfft(samples))
    tone = {hz: spectrum[hz * 5] for hz in (220, 330)}
    assert tone[220] / tone[330] == pytest.approx(3, rel=0.1)


def test_a_broken_track_is_left_out_by_name_and_the_others_are_kept(parted: Parted, tmp_path: Path) -> None:
    folder = write_tracks(tmp_path / "talk", parted.tracks())
    (folder / "3-max.flac").write_bytes(b"fLaC" + b"\x00" * 500)
    result = validated(zip_folder(folder))
    assert [track.name for track in result.tracks] == ["diane", "sheila"]
    assert [track.source for track in result.left_out] == ["3-max.flac"]
    assert any("3-max.flac" in warning and "left out" in warning for warning in result.warnings)


def test_tracks_of_which_none_can_be_read_or_all_are_silent_are_no_recording(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("1-a.wav", b"RIFF" + b"\x00" * 100)
        archive.writestr("2-b.wav", b"nothing here" * 10)
    with pytest.raises(BadRecording, match=r"None of the 2 tracks in bad\.zip"):
        validated(tmp_path / "bad.zip")
    silent = write_tracks(tmp_path / "silent", {"a": np.zeros(RATE_HZ * 3), "b": np.zeros(RATE_HZ * 3)})
    with pytest.raises(BadRecording, match="digital silence"):
        refuse_if_unusable(validated(silent))


def test_a_slice_is_cut_out_of_every_track(parted: Parted, tmp_path: Path) -> None:
    result = validated(write_tracks(tmp_path / "talk", parted.tracks()), slice_ms=(10_000, 20_000))
    assert result.facts.slice_ms == (10_000, 20_000)
    assert {track.validated.facts.duration_ms for track in result.tracks} == {10_000}
    copy = make_listening_copy(result.mix.path if result.mix else Path(), result.for_listening(), ListenSettings())
    assert len(copy.peaks) == pytest.approx(500, abs=30)  # ten seconds in pieces of 20 ms


def test_channels_can_be_speakers_and_a_file_that_looks_so_says_how(parted: Parted, tmp_path: Path) -> None:
    tracks = parted.tracks(-20, 30)
    path = tmp_path / "interview.wav"
    soundfile.write(path, np.stack([tracks["diane"], tracks["sheila"]], axis=1), RATE_HZ)
    plain = validate_recording(path, ValidateSettings())
    assert any("Channels 1 and 2" in text and "--tracks channels" in text for text in plain.warnings)
    result = validated(path, "channels")
    assert result.warnings == []
    assert result.facts.channels == 2
    speech = preprocess_tracks(result, PreprocessSettings())
    found = diarize_tracks(speech, None, tracks_engine("channels", "pyannote"))
    assert [track.source for track in speech.tracks] == ["channel 1", "channel 2"]
    names = {"SPEAKER_00": "diane", "SPEAKER_01": "sheila"}
    assert error_rate(parted, found, names) < 0.15
    assert "pyannote" in found.engine.reason


def test_a_stereo_recording_of_a_room_is_no_set_of_channels(parted: Parted, tmp_path: Path) -> None:
    diane, sheila = parted.voices["diane"], parted.voices["sheila"]
    path = tmp_path / "room.wav"
    soundfile.write(path, np.stack([diane + 0.6 * sheila, 0.6 * diane + sheila], axis=1), RATE_HZ)
    assert validate_recording(path, ValidateSettings()).warnings == []
    soundfile.write(tmp_path / "mono.wav", diane, RATE_HZ)
    with pytest.raises(BadRecording, match="only one channel"):
        validated(tmp_path / "mono.wav", "channels")


def test_a_speakers_voice_is_that_of_their_track(parted: Parted, tmp_path: Path, diane: Path) -> None:
    _, found = heard(write_tracks(tmp_path / "talk", parted.tracks(-20, 40)))
    voices = stored_portraits(found)
    known = take_sample([diane], None).vector
    likeness = {label: float(vector @ known) for label, vector in voices.items()}
    assert likeness["SPEAKER_00"] > 0.85
    assert likeness["SPEAKER_00"] > likeness["SPEAKER_01"] + 0.1


def test_words_are_recognised_and_timed_on_their_speakers_own_track(parted: Parted, tmp_path: Path) -> None:
    tracks = {name: track[: 11 * RATE_HZ] for name, track in parted.tracks(-12, 30).items()}
    speech, found = heard(write_tracks(tmp_path / "talk", tracks))
    settings = TranscribeSettings(engine="bundled")
    text = transcribe_tracks(speech, settings, choose_recogniser(settings, None))
    assert {segment.speaker for segment in text.segments} == {"SPEAKER_00", "SPEAKER_01"}
    own = {track.label: track.spans for track in speech.tracks}
    for segment in text.segments:
        assert segment.start_ms is not None
        assert segment.end_ms is not None
        inside = [
            span for span in own[segment.speaker or ""] if span[0] < segment.end_ms and span[1] > segment.start_ms
        ]
        assert inside
    aligning = AlignSettings(engine="bundled")
    aligned = align_tracks(speech, text, found, aligning, choose_aligner(aligning, "en"))
    words = read_words(aligned.words.path)
    assert [word.text for word in words if word.speaker == "SPEAKER_01"] == [
        word for segment in text.segments if segment.speaker == "SPEAKER_01" for word in segment.text.split()
    ]
    again = align_tracks(speech, text, found, aligning, choose_aligner(aligning, "en"))
    assert again.words.sha256 == aligned.words.sha256


def test_a_transcript_of_everybody_is_shared_out_by_names_and_times(parted: Parted, tmp_path: Path) -> None:
    speech, found = heard(write_tracks(tmp_path / "talk", parted.tracks(-12, 30)))
    segments = [
        Segment(text="Hello?", start_ms=7_550, end_ms=8_350, speaker="SHEILA"),
        Segment(text="Oh, hello. I didn't know you were there.", start_ms=8_320, end_ms=10_020, speaker="Di"),
        Segment(text="Neither did I.", start_ms=9_920, end_ms=11_030, speaker="Sheila"),
    ]
    assert labels_of(segments, speech.tracks) == {"SHEILA": "SPEAKER_01", "Sheila": "SPEAKER_01", "Di": "SPEAKER_00"}
    text = Transcribed(
        engine=choose_recogniser(TranscribeSettings(engine="bundled"), None),
        language="en",
        segments=segments,
        speech_spans=[(6_700, 11_100)],
    )
    aligning = AlignSettings(engine="bundled")
    aligned = align_tracks(speech, text, found, aligning, choose_aligner(aligning, "en"))
    said: dict[str | None, list[str]] = {}
    for word in read_words(aligned.words.path):
        said.setdefault(word.speaker, []).append(word.text)
    assert said == {
        "SPEAKER_00": "Oh, hello. I didn't know you were there.".split(),
        "SPEAKER_01": "Hello? Neither did I.".split(),
    }


def test_pauses_are_closed_only_where_nobody_else_speaks() -> None:
    spans = {"SPEAKER_00": [(0, 1_000), (1_500, 2_000), (2_600, 3_000)], "SPEAKER_01": [(2_100, 2_500)]}
    assert [(turn.speaker, turn.start_ms, turn.end_ms) for turn in joined(spans)] == [
        ("SPEAKER_00", 0, 2_000),
        ("SPEAKER_01", 2_100, 2_500),
        ("SPEAKER_00", 2_600, 3_000),
    ]


def test_results_are_loaded_as_what_they_were(parted: Parted, tmp_path: Path) -> None:
    folder = write_tracks(tmp_path / "talk", parted.tracks())
    first, second = validated(folder), validated(zip_folder(folder))
    assert first.digest() != second.digest()  # one says folder and the other zip
    assert TracksValidated.model_validate_json(first.model_dump_json()) == first
    assert Validated.model_validate(first.model_dump(include=set(Validated.model_fields))).facts == first.facts
    once, again = (preprocess_tracks(first, PreprocessSettings()) for _ in range(2))
    assert once.digest() == again.digest()
