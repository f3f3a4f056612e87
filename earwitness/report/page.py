"""`report.html`: one page with everything that was found. It works from a USB stick and asks nothing of a network."""

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from earwitness.archive.findings import Findings
from earwitness.archive.record import RecordingJson
from earwitness.report.view import page_view
from earwitness.words.transcript import Utterance

if TYPE_CHECKING:
    from jinja2 import Template

EMBED_UP_TO_MS = 600_000
"""Up to ten minutes the sound is inside the page (about 6 MB), so that the page alone is enough. Beyond, the page
would grow by 40 MB an hour, so it plays `listen.m4a`, which lies beside it in the bundle."""


def build_report(findings: Findings, recording: RecordingJson, utterances: Sequence[Utterance]) -> bytes:
    """Write the page. The same input gives the same bytes.

    Args:
        findings: what the stages found.
        recording: the content of `recording.json`.
        utterances: the published transcript, speakers as diarization labels.

    Returns:
        A UTF-8 HTML document. Names and transcripts are inert in it: templates escape them, and a content security
        policy lets nothing run but the page's own script.
    """
    from markupsafe import Markup

    style, script = _part("style.css"), _part("script.js")
    view = page_view(findings, recording, utterances)
    page = _template().render(
        **view.context,
        policy=_policy(style, script),
        style=Markup(style),
        script=Markup(script),
        island=Markup(island(view.data)),
        audio_src=_audio_source(findings),
    )
    return page.encode()


@cache
def _template() -> "Template":
    """Compiled once a process: that takes longer than filling it in."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_part("template.html"))


def island(value: Any) -> str:
    """JSON that may stand inside a script element: nothing in it can end the element or start another.

    `<`, `>` and `&` are escaped (the HTML tokenizer looks for `</script` and `<!--`), and so are the line separators
    that JSON allows and old JavaScript does not.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for risky in "<>&\u2028\u2029":
        text = text.replace(risky, f"\\u{ord(risky):04x}")
    return text


def _audio_source(findings: Findings) -> str:
    """Address of the sound: inside the page when short, else the file beside it."""
    from markupsafe import Markup

    if findings.listening is None:
        return "audio.flac"
    if findings.preprocessed.duration_ms > EMBED_UP_TO_MS:
        return "listen.m4a"
    encoded = base64.b64encode(findings.listening.audio.path.read_bytes()).decode("ascii")
    return Markup(f"data:audio/mp4;base64,{encoded}")


def _policy(style: str, script: str) -> str:
    # A page opened from disk has an opaque origin: 'self' does not cover its neighbours in every browser, file: does.
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "img-src data:",
            "media-src 'self' file: data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"


@cache
def _part(name: str) -> str:
    return (files(__package__) / name).read_text("utf-8")
