"""Where written sentences end."""

_ENDS = (".", "!", "?", "…", "。", "！", "？", "؟", "।", "॥")
_CLOSERS = "\"'”’)]»」』）"


def ends_sentence(text: str) -> bool:
    """Whether a written word, or a text, closes a sentence."""
    return text.rstrip(_CLOSERS).endswith(_ENDS)


def closed(text: str) -> str:
    """A sentence that another one can follow: recognisers and captions leave the full stop out."""
    return text if not text or ends_sentence(text) else f"{text.rstrip(',;:–—- ')}."
