"""What a run will cost, before it is started."""

from pathlib import Path

import pytest

from earwitness.engines.engine import EngineUse
from earwitness.estimate import estimate
from earwitness.options import Profile, RunOptions
from earwitness.profiles import resolve
from earwitness.result import Estimate
from earwitness.settings import ClipSettings, SummarizeSettings, TranscribeSettings
from earwitness.speech import assemblyai_recogniser, openai_recogniser
from tests.archive.factory import make_findings

NO_CLIPS = ClipSettings(count=0, min_s=10, max_s=60, video=False)


def forecast(name: str, model: str, **given: object) -> Estimate:
    validated = make_findings().validated
    hour = validated.model_copy(update={"facts": validated.facts.model_copy(update={"duration_ms": 3_600_000})})
    used = {"diarize": "bundled", "transcribe": name}
    engines = {stage: EngineUse(name=engine, version="1", model=model) for stage, engine in used.items()}
    return estimate(hour, engines, RunOptions(clip=NO_CLIPS, transcribe=TranscribeSettings.model_validate(given)))


@pytest.mark.parametrize(
    ("name", "model", "usd"),
    [
        ("openai", f"whisper-1 at {openai_recogniser.ADDRESS}", 0.36),
        ("assemblyai", f"universal-2 at {assemblyai_recogniser.ADDRESS}", 0.15),
        ("assemblyai", f"universal-3-5-pro, universal-2 at {assemblyai_recogniser.ADDRESS}", 0.21),
        ("whisperx", "small", 0.0),
    ],
)
def test_an_hour_costs_what_the_dearest_model_does(name: str, model: str, usd: float) -> None:
    assert forecast(name, model).cost_usd == usd


def test_a_second_hearing_is_part_of_the_price() -> None:
    model = f"whisper-1 at {openai_recogniser.ADDRESS}"
    assert forecast("openai", model, hear_again="always").cost_usd == pytest.approx(0.36 * 1.1)
    assert forecast("openai", model, hear_again="never").cost_usd == pytest.approx(0.36)


@pytest.mark.parametrize("model", ["universal-9 at https://api.assemblyai.com", "universal-2 at https://example.org"])
def test_what_is_not_known_is_not_counted_and_that_is_said(model: str) -> None:
    found = forecast("assemblyai", model)
    assert found.cost_usd == 0
    assert "not known here" in found.basis


def test_a_dry_run_has_a_range_by_stage_and_model() -> None:
    found = forecast("openai", f"whisper-1 at {openai_recogniser.ADDRESS}")
    (cost,) = found.costs
    assert (cost.stage, cost.model) == ("transcribe", "whisper-1")
    assert 0 < found.cost_low_usd < found.cost_usd == found.cost_high_usd
    assert forecast("whisperx", "small").costs == []


def test_every_kind_of_video_takes_its_time() -> None:
    engines = {stage: EngineUse(name="bundled", version="1") for stage in ("diarize", "transcribe")}
    facts = make_findings().validated
    long = facts.model_copy(update={"facts": facts.facts.model_copy(update={"duration_ms": 600_000})})

    def seconds(*presets: str) -> float:
        clips = ClipSettings.model_validate({"count": 2, "min_s": 10, "max_s": 60, "video": True, "presets": presets})
        return estimate(long, engines, RunOptions(clip=clips)).seconds

    none = estimate(long, engines, RunOptions(clip=NO_CLIPS)).seconds
    assert seconds("tiktok", "square") - none == pytest.approx(2 * (seconds("tiktok") - none))


def notes(transcript: Path | None, minutes: int = 60) -> Estimate:
    validated = make_findings().validated
    long = validated.model_copy(update={"facts": validated.facts.model_copy(update={"duration_ms": minutes * 60_000})})
    settings = SummarizeSettings(engine="chat", model="gpt-4.1-mini")
    options = resolve(RunOptions(profile=Profile.WORKPLACE, clip=NO_CLIPS, summarize=settings))
    writer = EngineUse(name="chat", version="1", model="gpt-4.1-mini at https://api.openai.com/v1")
    bundled = {stage: EngineUse(name="bundled", version="1") for stage in ("diarize", "transcribe")}
    return estimate(long, {**bundled, "summarize": writer}, options, transcript)


def test_notes_are_priced_by_the_transcript_or_by_what_is_usually_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    guessed = notes(None)
    assert 0 < guessed.cost_low_usd < guessed.cost_usd < guessed.cost_high_usd
    assert notes(None, minutes=240).cost_usd > 2 * guessed.cost_usd
    said = tmp_path / "talk.txt"
    said.write_text("\n\n".join(["This is what we wanted to say about the boats."] * 900))
    known = notes(said)
    assert "by the transcript" in known.basis
    # less is open where the words are known
    assert known.cost_high_usd / known.cost_low_usd < guessed.cost_high_usd / guessed.cost_low_usd
    said.write_bytes(b"\0\0")
    assert notes(said).cost_usd == guessed.cost_usd
