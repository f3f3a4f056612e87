"""What the page shows, made ready for its template: plain values, names resolved, nothing computed in HTML."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from earwitness.archive.findings import Findings
from earwitness.archive.record import RecordedSpeaker, RecordingJson
from earwitness.memory.telling import HEADING, groups_of, lines_to_read, since
from earwitness.notes.notes import Notes
from earwitness.report.speakers import about, conversation_text, speaker_rows
from earwitness.report.timeline import LANE_HEIGHT, lane_path, overlaps, ticks_of, wave_path
from earwitness.words.formats import clock_text
from earwitness.words.transcript import LOW_CONFIDENCE, Utterance

COLOURS = 8
"""Colours that people who see few colours can tell apart (Okabe and Ito); further speakers reuse them."""
STAGE_NAMES = {
    "validate": "Checking the recording",
    "preprocess": "Preparing the sound",
    "listen": "Listening copy",
    "diarize": "Who speaks when",
    "transcribe": "What is said",
    "align": "When each word is said",
    "speakers": "How people talk",
    "summarize": "Notes",
    "rank": "Order of the clips",
    "clip": "Clips",
    "show": "Episode for a podcast's feed",
    "publish": "This bundle",
}
_STORY_CITATION = re.compile(r"\[(u\d+(?:[,;\s]+u\d+)*)\]")


@dataclass(frozen=True, slots=True)
class PageView:
    """The template's variables, and the numbers that the script reads."""

    context: dict[str, Any]
    data: dict[str, Any]


def page_view(findings: Findings, recording: RecordingJson, utterances: Sequence[Utterance]) -> PageView:
    """Everything that the page shows, in the page's own words."""
    people = {speaker.label: number for number, speaker in enumerate(recording.speakers)}
    known = {utterance.id: utterance for utterance in utterances}
    notes = findings.summarized.notes if findings.summarized else None
    numbers = _citation_numbers(notes) if notes else {}
    names = {speaker.label: speaker.name for speaker in recording.speakers}
    fallbacks = [
        {"stage": STAGE_NAMES.get(stage, stage), "name": use.name, "reason": use.reason}
        for stage, use in recording.engines.items()
        if use.degraded
    ]
    context = {
        "title": notes.title if notes and notes.title else recording.source.name,
        "recording": recording,
        "notes": notes,
        "sections": _sections(findings, known, numbers, names),
        "chapters": _chapters(findings),
        "changes": _changes(findings, known, numbers, names),
        "story": story_html(notes.story, known, numbers) if notes and notes.story else None,
        "clips": _clips(findings),
        "clips_reason": findings.clipped.listing.reason if findings.clipped else "",
        "rows": _rows(utterances, people, names, numbers),
        "lanes": _lanes(findings, recording.speakers),
        "talk": speaker_rows(recording.speakers, colour_of, duration_text),
        "conversation": conversation_text(recording),
        "wave": wave_path(findings.listening.peaks if findings.listening else []),
        "marks": _marks(findings),
        "width": max(ticks_of(findings.preprocessed.duration_ms), 1),
        "lane_height": LANE_HEIGHT,
        "fallbacks": fallbacks,
        "stage_names": STAGE_NAMES,
        "metrics": _metrics(recording),
        "language": _language(recording.language),
        "clock": clock_short,
        "clock_s": lambda seconds: clock_short(round(seconds * 1000)),
        "duration_text": duration_text,
        "duration": duration_text(findings.preprocessed.duration_ms),
    }
    return PageView(context=context, data=_data(findings.preprocessed.duration_ms, utterances))


def colour_of(number: int) -> str:
    """The class of a speaker's colour."""
    return f"sp{number % COLOURS}"


def clock_short(ms: int) -> str:
    """`m:ss` below an hour, `h:mm:ss` from there on."""
    return clock_text(ms) if ms >= 3_600_000 else clock_text(ms)[2:].removeprefix("0")


def duration_text(ms: int) -> str:
    """`2 h 05 min`, `12 min 30 s` or `45 s`."""
    seconds = round(ms / 1000)
    if seconds >= 3600:
        return f"{seconds // 3600} h {seconds // 60 % 60:02d} min"
    return f"{seconds // 60} min {seconds % 60:02d} s" if seconds >= 60 else f"{seconds} s"


def story_html(story: str, known: Mapping[str, Utterance], numbers: Mapping[str, int]) -> str:
    """The story's Markdown as HTML. Raw HTML, links and images in it stay text; `[u0012]` becomes a citation."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    markdown = MarkdownIt("commonmark", {"html": False}).disable(["link", "image", "autolink", "reference"])
    html = markdown.render(re.sub(r"^#\s[^\n]*\n", "", story.lstrip(), count=1))

    def cite(match: re.Match[str]) -> str:
        ids = re.split(r"[,;\s]+", match[1])
        links = [
            f'<a class="cite" href="#{id_}" data-u="{id_}" aria-label="Source {numbers[id_]}">{numbers[id_]}</a>'
            for id_ in ids
            if id_ in known and id_ in numbers
        ]
        return " ".join(links) if links else match[0]

    return Markup(_STORY_CITATION.sub(cite, html))


def _citation_numbers(notes: Notes) -> dict[str, int]:
    """Utterance → its number, counted in the order in which notes, then story, first cite it."""
    cited = [id_ for claim in notes.claims for id_ in claim.evidence]
    cited += [id_ for line in lines_to_read(notes.changes) for id_ in line.evidence] if notes.changes else []
    cited += [id_ for group in _STORY_CITATION.findall(notes.story or "") for id_ in re.split(r"[,;\s]+", group)]
    return {id_: number for number, id_ in enumerate(dict.fromkeys(cited), start=1)}


def _sections(
    findings: Findings, known: Mapping[str, Utterance], numbers: Mapping[str, int], names: Mapping[str, str]
) -> list[dict[str, Any]]:
    if findings.summarized is None:
        return []
    notes = findings.summarized.notes
    claims = {claim.id: claim for claim in notes.claims}

    return [
        {
            "heading": section.heading,
            "claims": [
                {
                    "id": claims[id_].id,
                    "text": claims[id_].text,
                    "supported": claims[id_].supported,
                    "quote": claims[id_].text.lstrip().startswith(("“", '"', "„", "«")),
                    "citations": _citations(claims[id_].evidence, known, numbers, names),
                }
                for id_ in section.claims
                if id_ in claims
            ],
        }
        for section in notes.sections
    ]


def _citations(
    evidence: Sequence[str], known: Mapping[str, Utterance], numbers: Mapping[str, int], names: Mapping[str, str]
) -> list[dict[str, Any]]:
    found = []
    for id_ in evidence:
        if (utterance := known.get(id_)) is not None:
            speaker = names.get(utterance.speaker or "", utterance.speaker or "somebody")
            at = clock_short(utterance.start_ms) if utterance.start_ms is not None else ""
            hint = f"{at} {speaker}: {_shortened(utterance.text)}".strip()
            found.append({"id": id_, "number": numbers[id_], "hint": hint})
    return found


def _changes(
    findings: Findings, known: Mapping[str, Utterance], numbers: Mapping[str, int], names: Mapping[str, str]
) -> dict[str, Any] | None:
    changes = findings.summarized.notes.changes if findings.summarized else None
    if changes is None:
        return None
    groups = [
        {
            "heading": group.heading,
            "more": group.more,
            "lines": [
                {"text": line.text, "citations": _citations(line.evidence, known, numbers, names)}
                for line in group.lines
            ],
        }
        for group in groups_of(changes)
    ]
    return {"heading": HEADING, "since": since(changes), "groups": groups}


def _shortened(text: str, length: int = 110) -> str:
    return text if len(text) <= length else text[: length - 1].rsplit(" ", 1)[0] + "…"


def _chapters(findings: Findings) -> list[dict[str, Any]]:
    chapters = findings.summarized.notes.chapters if findings.summarized else []
    return [
        {"title": chapter.title, "first": chapter.first, "start_ms": chapter.start_ms, "end_ms": chapter.end_ms}
        for chapter in chapters
    ]


def _clips(findings: Findings) -> list[dict[str, Any]]:
    """Clips whose files are there; paths become relative addresses."""
    if findings.clipped is None:
        return []
    files = findings.clipped.files
    return [
        {
            "clip": clip,
            "is_video": clip.path.endswith((".mp4", ".webm", ".mov")),
            "src": quote(clip.path),
            "captions": quote(clip.captions) if clip.captions and clip.captions in files else None,
            "others": [(made.preset, quote(made.path)) for made in clip.renditions[1:] if made.path in files],
            "start_ms": round(clip.start_s * 1000),
            "end_ms": round(clip.end_s * 1000),
        }
        for clip in findings.clipped.listing.clips
        if clip.path in files
    ]


def _rows(
    utterances: Sequence[Utterance],
    people: Mapping[str, int],
    names: Mapping[str, str],
    numbers: Mapping[str, int],
) -> list[dict[str, Any]]:
    rows = []
    previous: str | None = ""
    for utterance in utterances:
        speaker = utterance.speaker
        person = people.get(speaker or "", -1)
        rows.append(
            {
                "id": utterance.id,
                "colour": colour_of(person) if person >= 0 else "sp-none",
                "person": person,
                "name": names.get(speaker, speaker) if speaker else None,
                "changed": speaker != previous,
                "clock": clock_short(utterance.start_ms) if utterance.start_ms is not None else None,
                "start_ms": utterance.start_ms,
                # the script finds words again at the blanks between them, so a blank inside a word must not break
                "text": " ".join("\u00a0".join(w.text.split()) for w in utterance.words) or utterance.text,
                "number": numbers.get(utterance.id),
            }
        )
        previous = speaker
    return rows


def _lanes(findings: Findings, speakers: Sequence[RecordedSpeaker]) -> list[dict[str, Any]]:
    if findings.diarized is None:
        return []
    total = sum(speaker.speech_s or 0 for speaker in speakers) or 1
    lanes = []
    for number, speaker in enumerate(speakers):
        turns = [(t.start_ms, t.end_ms) for t in findings.diarized.turns if t.speaker == speaker.label]
        lanes.append(
            {
                "name": speaker.name,
                "about": about(speaker),
                "colour": colour_of(number),
                "person": number,
                "path": lane_path(turns),
                "share": round(100 * (speaker.speech_s or 0) / total),
                "spoken": duration_text(round((speaker.speech_s or 0) * 1000)),
            }
        )
    return lanes


def _marks(findings: Findings) -> list[dict[str, str]]:
    """Lanes below the speakers' own: talking at once, clips."""
    marks = []
    if findings.diarized is not None and (both := overlaps(findings.diarized.turns)):
        marks.append({"name": "At once", "kind": "both", "path": lane_path(both)})
    if clips := _clips(findings):
        marks.append(
            {"name": "Clips", "kind": "chosen", "path": lane_path((c["start_ms"], c["end_ms"]) for c in clips)}
        )
    return marks


def _metrics(recording: RecordingJson) -> list[dict[str, str]]:
    """Measured values, before and after cleaning where the sound was cleaned."""
    after = recording.enhancement.after if recording.enhancement else None
    before = recording.enhancement.before if recording.enhancement else recording.quality.metrics
    shown = [
        ("Signal over noise", "snr_db", "{:.1f} dB"),
        ("Loudness", "loudness_lufs", "{:.1f} LUFS"),
        ("Peak", "peak_dbfs", "{:.1f} dBFS"),
        ("Noise floor", "noise_floor_dbfs", "{:.1f} dBFS"),
        ("Clipped", "clipping_share", "{:.2%}"),
        ("Silence", "silence_share", "{:.0%}"),
        ("Bandwidth", "bandwidth_hz", "{:,.0f} Hz"),
    ]

    def text(value: float | None, form: str) -> str:
        return "not measurable" if value is None else form.format(value).replace("-", "\u2212")

    return [
        {
            "name": name,
            "before": text(getattr(before, field), form),
            "after": text(getattr(after, field), form) if after else "",
        }
        for name, field, form in shown
    ]


def _language(code: str | None) -> str | None:
    return None if code in {None, "und"} else code


def _data(duration_ms: int, utterances: Sequence[Utterance]) -> dict[str, Any]:
    """Times for the script, small: a row is [start, length, then gap to the next start, length, ...] in ms.

    A row without word times holds only its own start and length; without any time it is empty. `marks` lists the
    words to mark: row → [word number, score in percent or -1 for an estimated time, ...].
    """
    rows: list[list[int]] = []
    marks: dict[str, list[int]] = {}
    for number, utterance in enumerate(utterances):
        row: list[int] = []
        at = 0
        for place, word in enumerate(utterance.words):
            row += [word.start_ms - at, word.end_ms - word.start_ms]
            at = word.start_ms
            if word.estimated:
                marks.setdefault(str(number), []).extend((place, -1))
            elif word.score < LOW_CONFIDENCE:
                marks.setdefault(str(number), []).extend((place, round(100 * word.score)))
        if not utterance.words and utterance.start_ms is not None and utterance.end_ms is not None:
            row = [utterance.start_ms, utterance.end_ms - utterance.start_ms]
        rows.append(row)
    return {"duration": duration_ms, "rows": rows, "marks": marks}
