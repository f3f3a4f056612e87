"""Ages and sizes as people write and read them."""

import re
from pathlib import Path

import click

DEFAULT_AGE = "30d"
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_AGE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*$")


def seconds_of(_context: click.Context, _option: click.Parameter, text: str) -> float:
    """`30d`, `12h`, `90m`, `45s`, `4w` in seconds: a callback of options.

    Raises:
        BadParameter: it is not of that form.
    """
    match = _AGE.match(text)
    if not match:
        raise click.BadParameter(f"{text!r} is not an age. Give a number and a unit (s, m, h, d, w), such as 30d.")
    return float(match[1]) * _UNITS[match[2]]


def optional_seconds(context: click.Context, option: click.Parameter, text: str | None) -> float | None:
    """As `seconds_of`, for options that may be left out."""
    return None if text is None else seconds_of(context, option, text)


def amount(count: int) -> str:
    """Bytes for people, in powers of 1000."""
    if count < 1000:
        return f"{count} B"
    for unit, size in (("kB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if count < 1000 * size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e12:.1f} TB"


def bundles_folder(given: Path | None) -> Path | None:
    """The folder that was asked for, else the usual one if it is there."""
    usual = Path("earwitness-out")
    return given if given is not None else usual if usual.is_dir() else None
