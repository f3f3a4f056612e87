"""Advanced SubStation Alpha, written by pysubs2: captions in a style a speaker."""

from collections.abc import Mapping, Sequence

from earwitness.clips.captions import COLOURS
from earwitness.export.harmless import distinct, one_line, unlike_ssa_markup
from earwitness.words.formats import cues_of, wrapped
from earwitness.words.transcript import Utterance

_RESOLUTION_MS = 10
_NAME_CHARS = 60


def ass_text(utterances: Sequence[Utterance], names: Mapping[str, str]) -> str:
    """Captions cut as in the bundle's SRT, coloured by speaker; "Name: " where the speaker changes.

    The Name field of each line holds its speaker. Times are in hundredths of a second, the format's resolution.

    Args:
        utterances: with words.
        names: diarization label → display name.
    """
    import pysubs2

    cues = cues_of(utterances, names, room_for_name=True)
    people = list(dict.fromkeys(cue.name for cue in cues if cue.name is not None))
    # commas part the fields of a line; an asterisk at the start of a style's name has a meaning of its own
    fields = {name: unlike_ssa_markup(one_line(name.replace(",", " ").replace("*", " "))) for name in people}
    numbered = {str(place): fields[name][:_NAME_CHARS] or "Speaker" for place, name in enumerate(people, start=1)}
    styles = dict(zip(people, distinct(numbered, taken=["Default"]).values(), strict=True))
    file = pysubs2.SSAFile()
    file.info.update({"PlayResX": "1920", "PlayResY": "1080", "WrapStyle": "2"})
    for place, style in enumerate(["Default", *styles.values()]):
        tint = "FFFFFF" if style == "Default" else COLOURS[(place - 1) % len(COLOURS)].lstrip("#")
        colour = pysubs2.Color(int(tint[:2], 16), int(tint[2:4], 16), int(tint[4:], 16))
        file.styles[style] = pysubs2.SSAStyle(
            fontname="DejaVu Sans", fontsize=54, primarycolor=colour, outline=3, shadow=1, marginv=60
        )
    for cue in cues:
        text = one_line(f"{cue.name}: {cue.text}" if cue.says_name else cue.text)
        file.append(
            pysubs2.SSAEvent(
                start=cue.start_ms,
                end=max(cue.end_ms, cue.start_ms + _RESOLUTION_MS),
                style="Default" if cue.name is None else styles[cue.name],
                name="" if cue.name is None else fields[cue.name],
                text=r"\N".join(unlike_ssa_markup(line) for line in wrapped(text)),
            )
        )
    return str(file.to_string("ass", header_notice="Made by machine (Earwitness); not checked by a person."))
