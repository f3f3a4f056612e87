"""Judging a recording: measurements → issues, score, level, verdict. Pure; no file is touched here.

The score is a product of factors, one a kind of trouble, each 1 where the trouble does not hinder recognising speech.
The breakpoints follow what recognisers bear: they lose little above 20 dB of signal-to-noise ratio and most below 0,
telephone bandwidth costs them some, level alone almost nothing until 16-bit rounding is heard.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from earwitness.audio.facts import IssueCode, Metrics, Quality, QualityIssue, Verdict
from earwitness.settings import ValidateSettings

Severity = Literal["info", "warning", "serious"]

FIXABLE = frozenset({IssueCode.CLIPPING, IssueCode.NOISE, IssueCode.QUIET, IssueCode.DC_OFFSET})
"""Issues that enhancement can do something about."""

_NOTHING_DBFS = -90.0
"""Below this there is only the rounding of 16-bit samples."""
_FAINT_DBFS = -60.0
_STEADY_DB = 6.0
_SILENT_SHARE = 0.95
_NARROW_HZ = 4_000.0
_OVERLOUD_LUFS = -9.0


@dataclass(frozen=True)
class Reading:
    """How reading the file went, beside what the meters say."""

    duration_ms: int
    declared_ms: int | None = None
    """None: nothing was declared, or only a part was read."""
    estimated: bool = False
    """The declared duration is itself only an estimate from the bit rate."""
    decode_errors: int = 0
    ending: str = ""
    """What is wrong with the file's end; empty: nothing."""
    streamed: bool = False
    """The header never knew the length."""
    nonfinite: int = 0
    dead_channels: tuple[int, ...] = ()
    mix_note: str = ""
    """How the channels were mixed, where a plain mix would have lost something."""
    mix_lost: float = 0.0
    """Share of the sound that even the chosen mix loses."""
    other_tracks: int = 0
    """Audio tracks that are not used."""
    track_note: str = ""


def assess(metrics: Metrics, reading: Reading, settings: ValidateSettings) -> Quality:
    """Judge a recording.

    Args:
        metrics: what the meters say.
        reading: how decoding went.
        settings: thresholds.
    """
    issues: list[QualityIssue] = []

    def add(code: IssueCode, severity: Severity, message: str) -> None:
        issues.append(QualityIssue(code=code, severity=severity, message=message))

    nothing = _is_silence(metrics)
    short = reading.duration_ms < settings.min_duration_s * 1000
    factor = 1.0
    if nothing:
        add(IssueCode.SILENCE, "serious", _silence_message(metrics))
    else:
        factor *= _sound(metrics, add)
    if short:
        text = f"It lasts {reading.duration_ms / 1000:.2f} s; at least {settings.min_duration_s:g} s are needed."
        add(IssueCode.SHORT, "serious", text)
    elif reading.duration_ms < 2_000:
        add(
            IssueCode.SHORT, "info", f"It lasts only {reading.duration_ms / 1000:.1f} s; voices are hard to tell apart."
        )
    factor *= _integrity(reading, add)
    _channels(metrics, reading, add)

    score = 0.0 if nothing or short else round(factor, 3)
    refused = nothing or short or score < settings.min_score
    fixable = any(issue.code in FIXABLE and issue.severity != "info" for issue in issues)
    if refused:
        verdict = Verdict.REJECT
    elif fixable and score < settings.enhance_below:
        verdict = Verdict.ENHANCE
    else:
        verdict = Verdict.ACCEPT
    order = {"serious": 0, "warning": 1, "info": 2}
    issues.sort(key=lambda issue: (order[issue.severity], issue.code))
    return Quality(metrics=metrics, issues=issues, score=score, level=_level(score, refused), verdict=verdict)


def _level(score: float, refused: bool) -> Literal["excellent", "good", "fair", "poor", "unusable"]:
    if refused:
        return "unusable"
    if score >= 0.85:
        return "excellent"
    if score >= 0.7:
        return "good"
    return "fair" if score >= 0.5 else "poor"


Add = Callable[[IssueCode, Severity, str], None]


def speech_level_dbfs(metrics: Metrics) -> float | None:
    """Level of the louder part of the sound, from noise floor and signal-to-noise ratio."""
    if metrics.noise_floor_dbfs is None or metrics.snr_db is None:
        return None
    return metrics.noise_floor_dbfs + metrics.snr_db


def _is_silence(metrics: Metrics) -> bool:
    level = speech_level_dbfs(metrics)
    if level is None or level < _NOTHING_DBFS:
        return True
    return level < _FAINT_DBFS and (metrics.snr_db or 0) < _STEADY_DB


def _silence_message(metrics: Metrics) -> str:
    level = speech_level_dbfs(metrics)
    if level is None:
        return "It holds digital silence only."
    return f"It holds steady noise at {level:.0f} dBFS and nothing that stands out of it: there is no speech to hear."


def _sound(metrics: Metrics, add: Add) -> float:
    factor = 1.0
    snr = metrics.snr_db if metrics.snr_db is not None else 0.0
    factor *= _interp(snr, (0, 0.35), (6, 0.5), (12, 0.7), (20, 0.9), (30, 1))
    if snr < 15:
        text = f"Speech stands only {snr:.0f} dB out of the noise (20 dB is comfortable); words will be missed."
        add(IssueCode.NOISE, "serious" if snr < 8 else "warning", text)

    clipped = metrics.clipping_share
    factor *= _interp(clipped, (0, 1), (1e-4, 0.98), (1e-3, 0.88), (1e-2, 0.58), (5e-2, 0.35))
    if clipped >= 2e-5:
        text = f"{clipped:.3%} of the samples are cut off at full scale; loud words are distorted."
        add(IssueCode.CLIPPING, "serious" if clipped > 5e-3 else "warning" if clipped > 3e-4 else "info", text)

    loudness = _loudness(metrics)
    factor *= _interp(loudness, (-80, 0.4), (-60, 0.52), (-45, 0.75), (-33, 0.95), (-28, 1), (-9, 1), (-4, 0.85))
    if loudness < -38:
        text = f"It is very quiet ({loudness:.0f} LUFS; speech is usually at -16 to -30)."
        add(IssueCode.QUIET, "serious" if loudness < -55 else "warning" if loudness < -45 else "info", text)
    elif loudness > _OVERLOUD_LUFS:
        add(IssueCode.LOUD, "warning", f"It is very loud ({loudness:.0f} LUFS); it was probably overdriven.")
    over = metrics.peak_dbfs or 0.0
    if over > 0.5:
        text = f"Its samples go up to {over:.0f} dB over full scale; it was turned down to fit."
        add(IssueCode.LOUD, "warning" if over > 6 else "info", text)

    if metrics.silence_share > _SILENT_SHARE:
        factor *= 0.85
        add(IssueCode.SILENCE, "warning", f"{metrics.silence_share:.0%} of it is silence.")

    band = metrics.bandwidth_hz
    if band is not None:
        factor *= _interp(band, (1_000, 0.5), (2_500, 0.75), (3_400, 0.88), (4_500, 1))
        if band <= _NARROW_HZ:
            text = f"Its sound ends at {band / 1000:.1f} kHz, as over a telephone; s, f and th are hard to tell apart."
            add(IssueCode.NARROW_BAND, "warning" if band < 3_000 else "info", text)

    offset = metrics.dc_offset
    factor *= _interp(offset, (0.02, 1), (0.1, 0.85), (0.4, 0.5))
    if offset > 0.02:
        text = f"Its zero line is off by {offset:.0%} of full scale (a fault of the sound card)."
        add(IssueCode.DC_OFFSET, "serious" if offset > 0.1 else "warning", text)
    return factor


def _loudness(metrics: Metrics) -> float:
    if metrics.loudness_lufs is not None:
        # Floats may lie far over full scale; what counts is how loud it is once it fits.
        return metrics.loudness_lufs - max(0.0, metrics.peak_dbfs or 0.0)
    level = speech_level_dbfs(metrics)
    return -100.0 if level is None else level


def _integrity(reading: Reading, add: Add) -> float:
    factor = 1.0
    if reading.decode_errors:
        text = "A place in it is" if reading.decode_errors == 1 else f"{reading.decode_errors} places in it are"
        text += " damaged and could not be decoded; what was there is missing."
        add(IssueCode.DAMAGED, "serious" if reading.decode_errors > 20 else "warning", text)
        factor *= 0.93
    if reading.ending:
        add(IssueCode.DAMAGED, "serious", f"It was probably cut off: {reading.ending}.")
        factor *= 0.93
    if reading.streamed:
        text = (
            f"Its header does not say how long it is (it was streamed); {reading.duration_ms / 1000:.1f} s were found."
        )
        add(IssueCode.DURATION_MISMATCH, "info", text)
    if reading.nonfinite:
        text = f"{reading.nonfinite} of its samples are not numbers; they were replaced by silence."
        add(IssueCode.DAMAGED, "warning", text)
        factor *= 0.95
    declared = reading.declared_ms
    if declared is None:
        return factor
    missing = declared - reading.duration_ms
    tolerance = max(500, declared * (0.25 if reading.estimated else 0.02))
    if missing > tolerance:
        text = (
            f"It declares {declared / 1000:.1f} s, but only {reading.duration_ms / 1000:.1f} s could be decoded; "
            "the rest is missing."
        )
        add(IssueCode.DURATION_MISMATCH, "warning" if reading.estimated else "serious", text)
        if not reading.estimated:
            factor *= _interp(missing / declared, (0.02, 0.97), (0.1, 0.85), (0.5, 0.65), (1, 0.5))
    elif -missing > tolerance:
        text = f"It declares {declared / 1000:.1f} s and holds {reading.duration_ms / 1000:.1f} s; all of it is used."
        add(IssueCode.DURATION_MISMATCH, "info", text)
    return factor


def _channels(metrics: Metrics, reading: Reading, add: Add) -> None:
    if reading.dead_channels:
        names = " and ".join(str(channel + 1) for channel in reading.dead_channels)
        subject = f"Channels {names} hold" if len(reading.dead_channels) > 1 else f"Channel {names} holds"
        text = f"{subject} no sound; only the rest is used."
        add(IssueCode.DEAD_CHANNEL, "warning", text)
    elif metrics.channel_balance_db is not None and metrics.channel_balance_db > 20:
        text = f"One channel is {metrics.channel_balance_db:.0f} dB quieter than another."
        add(IssueCode.DEAD_CHANNEL, "info", text)
    if reading.mix_note:
        add(IssueCode.PHASE, "serious" if reading.mix_lost > 0.05 else "warning", reading.mix_note)
    if reading.other_tracks:
        subject = (
            f"{reading.other_tracks} further audio tracks are" if reading.other_tracks > 1 else "One audio track is"
        )
        text = f"{subject} not used. {reading.track_note}".strip()
        add(IssueCode.OTHER_TRACKS, "warning", text)


def _interp(value: float, *points: tuple[float, float]) -> float:
    """Piecewise linear through the points, flat outside."""
    if value <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in pairwise(points):
        if value <= x1:
            return y0 + (y1 - y0) * (value - x0) / (x1 - x0)
    return points[-1][1]
