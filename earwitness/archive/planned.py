"""What a bundle should hold, by what the stages found: the checks before publishing hold the files against it."""

from collections.abc import Sequence

from earwitness.archive.findings import Findings
from earwitness.checks.bundle import Plan
from earwitness.checks.subtitles import Spoken
from earwitness.words.transcript import Utterance

_LOST_MS = 500


def plan_of(findings: Findings, utterances: Sequence[Utterance]) -> Plan:
    """The plan for a bundle.

    Args:
        findings: what the stages found.
        utterances: the published transcript.
    """
    facts = findings.validated.facts
    declared = facts.declared_duration_ms if facts.slice_ms is None else None
    shorter = declared is not None and abs(declared - facts.duration_ms) > _LOST_MS
    return Plan(
        duration_ms=findings.preprocessed.duration_ms,
        damaged=facts.decode_errors > 0 or shorter,
        words=sum(len(utterance.text.split()) for utterance in utterances),
        rows=findings.aligned.word_count if findings.aligned else None,
        turns=len(findings.diarized.turns) if findings.diarized else None,
        spoken=[spoken for utterance in utterances for spoken in _spoken(utterance)],
        clips=findings.clipped.listing.clips if findings.clipped else (),
    )


def _spoken(utterance: Utterance) -> list[Spoken]:
    if utterance.words:
        return [Spoken(word.start_ms, word.end_ms, utterance.speaker) for word in utterance.words]
    if utterance.start_ms is None or utterance.end_ms is None:
        return []
    return [Spoken(utterance.start_ms, utterance.end_ms, utterance.speaker)]
