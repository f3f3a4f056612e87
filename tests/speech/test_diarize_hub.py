"""pyannote's own pipeline, from choosing it to its turns, on a tiny pipeline with random weights that is built here."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earwitness.engines.quiet import import_speech_library
from earwitness.errors import EngineFailed, EngineUnavailable
from earwitness.settings import DiarizeSettings
from earwitness.speech import hub_diarizer
from earwitness.speech.diarize import choose_diarizer, diarize

_CONFIG = """
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    segmentation: $model/segmentation
    segmentation_step: 0.2
    embedding: $model/embedding
    embedding_exclude_overlap: true
    plda: $model/plda
    clustering: VBxClustering
    segmentation_batch_size: 4
    embedding_batch_size: 4
params:
  clustering: {threshold: 0.6, Fa: 0.07, Fb: 0.8}
  segmentation: {min_duration_off: 0.0}
"""
_DIMENSION = 16


def _save(model: "object", folder: Path) -> None:
    import torch

    folder.mkdir(parents=True)
    checkpoint = {
        "state_dict": model.state_dict(),  # type: ignore[attr-defined]
        "hyper_parameters": dict(model.hparams),  # type: ignore[attr-defined]
        "pytorch-lightning_version": "2.6.0",
        "epoch": 0,
        "global_step": 0,
        "loops": None,
    }
    model.on_save_checkpoint(checkpoint)  # type: ignore[attr-defined]
    torch.save(checkpoint, folder / "pytorch_model.bin")


@pytest.fixture(scope="module")
def tiny_pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    import_speech_library("pyannote.audio")
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import XVectorMFCC
    from pyannote.audio.models.segmentation import PyanNet

    folder = tmp_path_factory.mktemp("pipeline") / "tiny"
    torch.manual_seed(5)
    segmentation = PyanNet(
        lstm={"hidden_size": 8, "num_layers": 1, "bidirectional": True, "monolithic": True, "dropout": 0.0},
        linear={"hidden_size": 8, "num_layers": 1},
    )
    segmentation.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=5.0,
        classes=["one", "two", "three"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    segmentation.setup()  # type: ignore[no-untyped-call]
    with torch.no_grad():  # without a push towards "one" and "two", random weights may find no speech at all
        segmentation.classifier.weight.mul_(20)
        segmentation.classifier.bias.copy_(torch.tensor([-1.0, 1.0, 1.0, -2.0, -1.0, -2.0, -2.0]))
    _save(segmentation, folder / "segmentation")
    embedding = XVectorMFCC(dimension=_DIMENSION)
    embedding.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=5.0, classes=["voice"]
    )
    _save(embedding, folder / "embedding")
    (folder / "plda").mkdir()
    zeros, eye = np.zeros(_DIMENSION), np.eye(_DIMENSION)
    np.savez(folder / "plda" / "xvec_transform.npz", mean1=zeros, mean2=zeros, lda=eye)
    np.savez(folder / "plda" / "plda.npz", mu=zeros, tr=eye, psi=np.linspace(2, 1, _DIMENSION))
    (folder / "config.yaml").write_text(_CONFIG)
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    yield
    hub_diarizer._pipeline.cache_clear()


def test_a_folder_is_chosen_and_its_pipeline_diarizes(tiny_pipeline: Path, phone_call: Path) -> None:
    settings = DiarizeSettings(engine="auto", model=str(tiny_pipeline))
    engine = choose_diarizer(settings)
    assert (engine.name, engine.degraded) == ("pyannote", False)
    assert str(tiny_pipeline.parent) not in engine.model, "results carry no paths"

    shares: list[float] = []
    result = diarize(phone_call, settings, engine, lambda share, note="": shares.append(share))

    assert result.engine == engine
    assert result.turns
    assert result.turns[0].speaker == "SPEAKER_00"
    speakers = sorted({turn.speaker for turn in result.turns})
    assert result.count.count == len(speakers)
    assert not result.count.given
    ends = [turn.end_ms for turn in result.exclusive]
    assert all(end <= turn.start_ms for end, turn in zip(ends, result.exclusive[1:], strict=False))
    assert ends[-1] <= 30_000
    stored = np.load(result.embeddings.path)
    assert sorted(stored.files) == speakers
    for label in speakers:
        assert stored[label].shape == (_DIMENSION,)
        assert np.linalg.norm(stored[label]) == pytest.approx(1.0, abs=1e-4)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 5


def test_the_same_recording_gives_the_same_answer(tiny_pipeline: Path, phone_call: Path) -> None:
    settings = DiarizeSettings(engine="pyannote", model=str(tiny_pipeline), speakers=2)
    first, second = (diarize(phone_call, settings, choose_diarizer(settings)) for _ in range(2))
    assert first.digest() == second.digest()
    assert first.count.given


def test_digital_silence_and_no_sound_at_all_are_no_error(tiny_pipeline: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.wav"
    soundfile.write(empty, np.zeros(0, np.float32), 16_000)
    settings = DiarizeSettings(engine="pyannote", model=str(tiny_pipeline))
    result = diarize(empty, settings, choose_diarizer(settings))
    assert result.turns == []
    assert "no speech" in result.warnings[0]


def test_a_damaged_pipeline_says_how_to_fix_it(tiny_pipeline: Path, phone_call: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_pipeline, broken)
    (broken / "embedding" / "pytorch_model.bin").unlink()
    settings = DiarizeSettings(engine="pyannote", model=str(broken))
    with pytest.raises(EngineUnavailable, match=r"can't be loaded.*HF_TOKEN"):
        diarize(phone_call, settings, choose_diarizer(settings))


def test_a_pipeline_of_the_old_kind_is_refused(tiny_pipeline: Path, phone_call: Path, tmp_path: Path) -> None:
    legacy = tmp_path / "legacy"
    shutil.copytree(tiny_pipeline, legacy)
    config = legacy / "config.yaml"
    config.write_text(config.read_text().replace("    clustering: VBx", "    legacy: true\n    clustering: VBx"))
    settings = DiarizeSettings(engine="pyannote", model=str(legacy))
    with pytest.raises(EngineFailed, match="legacy"):
        diarize(phone_call, settings, choose_diarizer(settings))
