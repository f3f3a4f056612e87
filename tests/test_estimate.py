"""What a run will cost, before it is started."""

import pytest

from earwitness.engines.engine import EngineUse
from earwitness.estimate import estimate
from earwitness.options import ClipSettings, TranscribeSettings
from earwitness.result import Estimate
from earwitness.speech import assemblyai_recogniser, openai_recogniser
from tests.archive.factory import make_findings

NO_CLIPS = ClipSettings(count=0, min_s=10, max_s=60, video=False)


def forecast(name: str, model: str, **given: object) -> Estimate:
    validated = make_findings().validated
    hour = validated.model_copy(update={"facts": validated.facts.model_copy(update={"duration_ms": 3_600_000})})
    used = {"diarize": "bundled", "transcribe": name}
    engines = {stage: EngineUse(name=engine, version="1", model=model) for stage, engine in used.items()}
    return estimate(hour, engines, NO_CLIPS, TranscribeSettings.model_validate(given))


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
