"""Reading a script: one `Name: text` a line."""

import re
from pathlib import Path

from earwitness.errors import BadTranscript
from earwitness.schema import Record

_LINE = re.compile(r"^(?P<name>[^:]{1,60}):\s*(?P<text>\S.*)$")


class Line(Record):
    """One speech of a script."""

    speaker: str
    text: str

    @property
    def cut_off(self) -> bool:
        """The next speaker talks over the end of this line (written with a closing dash)."""
        return self.text.endswith("—")


def read_script(path: Path) -> list[Line]:
    """The lines of a script, in order; empty lines and lines that start with `#` are left out.

    Raises:
        BadTranscript: the file can't be read, a line has no `Name:`, or there is no line at all.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadTranscript(
            f"The script {path} can't be read ({type(error).__name__}).", "Give a UTF-8 text file."
        ) from error
    lines = []
    for number, raw in enumerate(text.splitlines(), start=1):
        if not raw.strip() or raw.lstrip().startswith("#"):
            continue
        match = _LINE.match(raw.strip())
        if not match:
            raise BadTranscript(
                f"Line {number} of {path.name} is not 'Name: text': {raw.strip()[:60]!r}.",
                "Put the speaker's name and a colon before what is said.",
            )
        lines.append(Line(speaker=match["name"].strip(), text=match["text"].strip()))
    if not lines:
        raise BadTranscript(f"The script {path.name} holds no lines.", "Write at least one line 'Name: text'.")
    return lines
