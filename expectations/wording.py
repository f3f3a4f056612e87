"""How reports speak of times."""


def span(start_ms: int, end_ms: int) -> str:
    """Seconds with an en dash between, e.g. 12.310-12.900 s."""
    return f"{start_ms / 1000:.3f}\N{EN DASH}{end_ms / 1000:.3f} s"


def span_of(row: dict[str, float]) -> str:
    """The same for a row with `start_s` and `end_s`; times that are missing read nan."""
    return f"{row['start_s']:.3f}\N{EN DASH}{row['end_s']:.3f} s"
