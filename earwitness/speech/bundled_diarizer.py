"""Diarization that needs no token, no key and no network: the models come in wheels.

Five-second windows, 1.25 s apart → local voices (`segmentation`) → an embedding of each (`voice_encoder`), of some a
second one (`close_hearing`) → persons (`clustering`) → turns (`reconstruction`). What is kept of the sound is 2 kB a
second, whatever the length.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from earwitness.audio.facts import SPEECH_RATE_HZ
from earwitness.audio.pcm import Samples, speech_duration_ms
from earwitness.progress import Progress, no_progress, part_of
from earwitness.speech import campplus, close_hearing, clustering, reconstruction, segmentation, voice_encoder
from earwitness.speech.close_hearing import Closely
from earwitness.speech.clustering import Rules, Voices
from earwitness.speech.segmentation import FIRST_FRAME_CENTRE, FRAME_SAMPLES, FRAMES, HOP_FRAMES, LOCAL_VOICES
from earwitness.speech.turns import CountEstimate, Turn
from earwitness.speech.voice_encoder import Vectors


@dataclass(frozen=True, slots=True)
class Tuning:
    """One set for all recordings. The figures behind it: `python -m tests.bench.bench_diarize`."""

    onset: float = 0.5
    offset: float = 0.4
    quiet: tuple[float, float] = (0.35, 0.25)
    """Onset and offset where nobody speaks by the usual ones: windows differ about quiet speech, and the edges of
    turns. Lower ones everywhere would make two people of one whom the windows name differently."""
    clear_ms: int = 500
    """Clean speech of a local voice from which it takes part in finding the persons."""
    min_gap_ms: int = 1000
    min_turn_ms: int = 150
    pad_ms: int = 30
    """As Silero's voice activity detector pads by default: the first consonant of a turn is quiet."""
    rules: Rules = field(default_factory=Rules)
    join_closely: float = 0.57
    """As `Rules.join`, where a second encoder was heard."""
    certain: float = 0.85
    """Share of the weight of thresholds that lead to one number of people, from which no second encoder is heard: it
    would cost time, and now and then be wrong where the first is right."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What is kept of the windows of a recording."""

    activity: segmentation.Activity
    """Shape (windows, FRAMES, LOCAL_VOICES)."""
    flags: segmentation.Flags
    vectors: Vectors
    """Shape (windows, LOCAL_VOICES, 256); zeros where a voice says too little."""
    clean_ms: reconstruction.Integers
    """Time a local voice speaks alone, shape (windows, LOCAL_VOICES)."""

    @property
    def source(self) -> segmentation.Flags:
        """The frames that tell what a voice sounds like, shaped as the flags.

        Whoever hardly ever speaks alone is heard through the others rather than not at all.
        """
        return _source(self.flags, self.clean_ms)


@dataclass(frozen=True, slots=True)
class Found:
    """What a diarizer found; labels in order of first appearance."""

    turns: list[Turn]
    exclusive: list[Turn]
    count: CountEstimate
    embeddings: dict[str, Vectors]
    """Label → unit-length vector."""
    warnings: list[str]


def find_speakers(
    speech: Path,
    progress: Progress = no_progress,
    *,
    least: int = 1,
    most: int = 50,
    device: str = "cpu",
    tuning: Tuning | None = None,
) -> Found:
    """Diarize with the bundled models.

    Args:
        speech: 16 kHz mono file.
        progress: told after every few windows.
        least: at least this many speakers.
        most: at most this many; equal to `least` when the number is known.
        device: torch device.
        tuning: other than the usual.

    Raises:
        EngineUnavailable: a model is missing from its wheel.
    """
    tuning = tuning or Tuning()
    observed = observe(speech, part_of(progress, 0.0, 0.9), device=device, tuning=tuning)
    closely = None
    if campplus.is_installed():
        closely = hear_closely(speech, observed, part_of(progress, 0.9, 0.98), least, device=device, tuning=tuning)
    progress(0.98, "telling voices apart")
    found = decide(observed, speech_duration_ms(speech), closely, least=least, most=most, tuning=tuning)
    progress(1.0, "telling voices apart")
    return found


def observe(
    speech: Path, progress: Progress = no_progress, *, device: str = "cpu", tuning: Tuning | None = None
) -> Observed:
    """Run both models over the recording, a few windows at a time."""
    tuning = tuning or Tuning()
    total = max(1, segmentation.window_count(speech_duration_ms(speech) * SPEECH_RATE_HZ // 1000))
    parts: list[Observed] = []
    done = 0
    for waves, activity in segmentation.iter_activity(speech, device):
        flags = segmentation.with_hysteresis(activity.astype(np.float32), tuning.onset, tuning.offset)
        vectors, clean_ms = _embed(waves, flags, device)
        parts.append(Observed(activity, flags, vectors, clean_ms))
        done += len(waves)
        progress(min(1.0, done / total), f"heard {done} of {total} windows")
    if not parts:
        nothing = np.zeros((0, FRAMES, LOCAL_VOICES))
        empty = np.zeros((0, LOCAL_VOICES, voice_encoder.DIMENSIONS), np.float32)
        return Observed(nothing.astype(np.float16), nothing.astype(bool), empty, nothing[:, 0].astype(np.int64))
    return Observed(
        np.concatenate([part.activity for part in parts]),
        np.concatenate([part.flags for part in parts]),
        np.concatenate([part.vectors for part in parts]),
        np.concatenate([part.clean_ms for part in parts]),
    )


def hear_closely(
    speech: Path, observed: Observed, progress: Progress, least: int, *, device: str, tuning: Tuning
) -> Closely | None:
    """Run the second encoder where the first doubts how many people there are; None: it does not, or nobody speaks."""
    voices = _clear_voices(observed, tuning, least)
    if not len(voices.window):
        return None
    tree = clustering.build_tree(voices, clustering.shared_evidence(observed.flags), tuning.rules)
    if max(clustering.count_support(tree, voices, tuning.rules).values()) >= tuning.certain:
        return None
    return close_hearing.hear_closely(speech, observed.source, voices, tree, progress, device)


def _source(flags: segmentation.Flags, clean_ms: reconstruction.Integers) -> segmentation.Flags:
    alone = flags & (flags.sum(axis=2, keepdims=True) == 1)
    source: segmentation.Flags = np.where((clean_ms >= _MIN_ALONE_MS)[:, None, :], alone, flags)
    return source


def _embed(waves: Samples, flags: segmentation.Flags, device: str) -> tuple[Vectors, reconstruction.Integers]:
    alone = flags & (flags.sum(axis=2, keepdims=True) == 1)
    clean_ms = alone.sum(axis=1) * FRAME_SAMPLES * 1000 // SPEECH_RATE_HZ
    source = _source(flags, clean_ms)
    mels = voice_encoder.spectrogram(waves)
    centres = np.arange(mels.shape[1]) * voice_encoder.FRAME_SAMPLES
    frame_of = np.clip(np.rint((centres - FIRST_FRAME_CENTRE) / FRAME_SAMPLES).astype(int), 0, FRAMES - 1)
    pieces, place = [], []
    for window, local in np.argwhere(flags.any(axis=1)):
        piece = mels[window][source[window, :, local][frame_of]]
        if len(piece) >= _MIN_PIECE_FRAMES:
            pieces.append(piece)
            place.append((window, local))
    vectors = np.zeros((len(waves), LOCAL_VOICES, voice_encoder.DIMENSIONS), np.float32)
    if place:
        rows, columns = np.array(place).T
        vectors[rows, columns] = voice_encoder.embed_frames(pieces, device)
    return vectors, clean_ms


_MOST = 50
_MIN_ALONE_MS = 340
_MIN_PIECE_FRAMES = 10


def decide(
    observed: Observed,
    duration_ms: int,
    closely: Closely | None = None,
    *,
    least: int,
    most: int,
    tuning: Tuning | None = None,
) -> Found:
    """Find the persons and their turns in what was observed. Quick, and the same for the same input.

    Args:
        observed: of the whole recording.
        duration_ms: of the recording; no turn ends later.
        closely: what `hear_closely` heard, with the same `least`; None: one encoder decides.
        least: at least this many speakers.
        most: at most this many.
        tuning: other than the usual.
    """
    tuning = tuning or Tuning()
    given = least == most
    voices = _clear_voices(observed, tuning, least)
    if not len(voices.window):
        estimate = CountEstimate(count=0, given=False)
        return Found([], [], estimate, {}, ["no speech was found, so there are no speakers"])
    shared = clustering.shared_evidence(observed.flags)
    rules, vectors = tuning.rules, voices
    if closely is not None:
        vectors = close_hearing.with_both(voices, closely, rules)
        rules = replace(rules, join=tuning.join_closely)
    tree = clustering.build_tree(vectors, shared, rules)
    labels, persons = clustering.choose_groups(tree, voices, rules, least, most)
    named = clustering.name_everyone(observed.flags, observed.vectors, voices, labels, shared)
    scores = reconstruction.person_scores(observed.activity, named, persons)
    speaking = reconstruction.speaking(
        scores,
        (tuning.onset, tuning.offset),
        tuning.quiet,
        min_gap_ms=tuning.min_gap_ms,
        min_turn_ms=tuning.min_turn_ms,
        pad_ms=tuning.pad_ms,
    )
    _give_turns(speaking, observed, voices, labels, least)
    if not speaking.any():
        estimate = CountEstimate(count=0, given=False)
        return Found([], [], estimate, {}, ["no speech was found, so there are no speakers"])
    speaking, order = _by_appearance(speaking)
    alone = reconstruction.one_at_a_time(speaking, scores[:, order], tuning.min_turn_ms * 2)
    names = [f"SPEAKER_{number:02d}" for number in range(len(order))]
    warnings = []
    if len(order) < least:
        warnings.append(f"{least} speakers were asked for, but only {len(order)} voices can be told apart")
    heard = clustering.choose_groups(tree, voices, rules, 1, _MOST)[1] if given else len(order)
    if heard > len(order) and (len(order) == 1 or heard >= len(order) + 2):
        warnings.append(
            f"{heard} voices were heard, but {most} speaker{'s were' if most > 1 else ' was'} asked for: if more "
            "people speak, give their number, or write complete: false into the cast file"
        )
    support = {} if given else clustering.count_support(tree, voices, rules)
    return Found(
        reconstruction.turns_of(speaking, duration_ms, names),
        reconstruction.turns_of(alone, duration_ms, names),
        CountEstimate(
            count=len(order),
            given=given,
            alternatives={count: round(share, 3) for count, share in support.items() if count != len(order)},
        ),
        dict(zip(names, _portraits(voices, labels, persons)[order], strict=True)),
        warnings,
    )


def _clear_voices(observed: Observed, tuning: Tuning, least: int) -> Voices:
    has_vector: segmentation.Flags = np.logical_or.reduce(observed.vectors != 0, axis=2)
    clear = has_vector & (observed.clean_ms >= tuning.clear_ms)
    if clear.sum() < least:  # too little but short or overlapped speech: better than nothing
        clear = has_vector
    window, local = np.nonzero(clear)
    heard_s = (np.maximum(observed.clean_ms[window, local], 100) / 1000).astype(np.float32)
    seconds = heard_s * np.float32(HOP_FRAMES / FRAMES)
    return Voices(window, local, observed.vectors[window, local], heard_s, seconds)


def _give_turns(
    speaking: segmentation.Flags, observed: Observed, voices: Voices, labels: reconstruction.Integers, least: int
) -> None:
    # Whom most windows take for somebody else has no frame left after averaging, and is dropped. Where the user knows
    # of more people, those who were heard longest keep their clearest moment.
    absent = np.flatnonzero(~speaking.any(axis=0))
    heard_s = np.array([voices.seconds[labels == person].sum() for person in absent])
    missing = max(0, least - (speaking.shape[1] - len(absent)))
    for person in absent[np.argsort(-heard_s, kind="stable")][:missing]:
        own = np.flatnonzero(labels == person)
        best = own[voices.seconds[own].argmax()]
        start = int(voices.window[best]) * HOP_FRAMES
        flags = observed.flags[voices.window[best]]
        own_frames = flags[:, voices.local[best]]
        taken = np.zeros(len(speaking), dtype=bool)
        taken[start : start + FRAMES] = own_frames & (flags.sum(axis=1) == 1)
        for other in np.flatnonzero((speaking & ~taken[:, None]).any(axis=0)):  # who keeps some speech elsewhere
            speaking[taken, other] = False
        speaking[start : start + FRAMES, person] = own_frames


def _by_appearance(speaking: segmentation.Flags) -> tuple[segmentation.Flags, reconstruction.Integers]:
    present = np.flatnonzero(speaking.any(axis=0))
    order = present[np.argsort(speaking[:, present].argmax(axis=0), kind="stable")]
    return speaking[:, order], order


def _portraits(voices: Voices, labels: reconstruction.Integers, persons: int) -> Vectors:
    sums = np.zeros((persons, voices.vectors.shape[1]), np.float32)
    known = labels >= 0
    np.add.at(sums, labels[known], (voices.vectors * voices.seconds[:, None])[known])
    return voice_encoder.unit(sums)
