"""The fonts that captions are drawn in, and how wide they draw a text."""

import re
import shutil
import unicodedata
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from string import printable

from earwitness.errors import EngineUnavailable, UsageError

FAMILY = "DejaVu Sans"
_FILES = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
_BOLD = _FILES[1]
_CALLED = "Earwitness Own"
"""What a font of the user's is called while clips are drawn, so that none of the same name is taken in its place."""

_PACK = "justmytype-intl-cjk"

_PICTURES = frozenset({"So", "Sk", "Co", "Cn"})
"""Unicode categories of what is no letter, digit or punctuation: emoji, their skin tones, private characters."""
_JOINERS = "\u200c\u200d\ufe0e\ufe0f\u20e3"
"""What holds emoji together."""


class Fonts:
    """A folder of fonts for ffmpeg, and the measure of the one that captions are set in."""

    def __init__(self, folder: Path, family: str, main: Path, *, bold: bool) -> None:
        from fontTools.ttLib import TTFont

        self.folder = folder
        self.family = family
        self.bold = bold
        with TTFont(main, fontNumber=0) as font:
            self._known: dict[int, str] = dict(font.getBestCmap())
            self._advances: dict[str, int] = {name: width for name, (width, _) in font["hmtx"].metrics.items()}
            table = font["OS/2"]
            # what libass takes the size of a font to be
            height = (table.usWinAscent + table.usWinDescent) or (font["hhea"].ascent - font["hhea"].descent)
        self._height: int = max(1, height)
        self._wide = int(0.85 * self._height)

    def width(self, text: str, size: float) -> float:
        """Pixels that a line takes in a font of `size` (as ASS counts it). Characters it lacks count as wide ones."""
        units: int = sum(
            0 if unicodedata.combining(char) else self._advances.get(self._known.get(ord(char), ""), self._wide)
            for char in text
        )
        return units * size / self._height

    def lacking(self, text: str) -> str:
        """The characters of `text` that the font lacks; they show only where the system has a font with them."""
        return "".join(sorted({char for char in text if not char.isspace() and ord(char) not in self._known}))

    def drawable(self, text: str) -> str:
        """The text without the pictures (emoji) that the font lacks, which would be drawn as empty boxes."""
        gone = [char for char in self.lacking(text) if unicodedata.category(char) in _PICTURES]
        if not gone:
            return text
        return " ".join(re.sub(f"[{_JOINERS}]*[{re.escape(''.join(gone))}][{_JOINERS}]*", "", text).split())


def nobody_has(characters: str) -> str:
    """Those of the characters that no font of this system has either."""
    from fontTools.ttLib import TTFont, TTLibError
    from matplotlib.font_manager import findSystemFonts

    left = set(characters)
    for name in sorted(findSystemFonts()):
        if not left:
            break
        try:
            with TTFont(name, fontNumber=0, lazy=True) as font:
                left -= {char for char in left if ord(char) in (font.getBestCmap() or {})}
        except (TTLibError, OSError):
            continue
    return "".join(sorted(left))


def fonts_in(folder: Path, own: Path | None = None, text: str = "") -> Fonts:
    """A folder with the fonts that captions are drawn in, the same on every machine.

    They lie in the matplotlib wheel (a dependency of pyannote.audio); a machine without any fonts draws them as well.
    Chinese, Japanese and Korean are drawn in Noto Sans where `earwitness[cjk]` is installed. Characters that all of
    them lack are taken from the system's fonts.

    Args:
        folder: a folder of `fonts` is made in it.
        own: a font file of the user's to set captions in.
        text: all that captions may show.

    Raises:
        EngineUnavailable: the wheel is not there.
        UsageError: the user's font can't be read.
    """
    home = bundled_fonts()
    target = folder / "fonts"
    target.mkdir(exist_ok=True)
    for name in _FILES:
        shutil.copyfile(home / name, target / name)
    if own is not None:
        return Fonts(target, _CALLED, _renamed(own, target), bold=False)
    ours = Fonts(target, FAMILY, target / _BOLD, bold=True)
    if (east_asian := _east_asian(text, ours.lacking(text))) is None:
        return ours
    _bold_part(east_asian, text, target / "east-asian.ttf")
    return Fonts(target, _CALLED, _renamed(target / "east-asian.ttf", target), bold=False)


def east_asian_fonts() -> str | None:
    """Version of the wheel with Noto Sans for Chinese, Japanese and Korean; None where it is not installed."""
    return version(_PACK) if find_spec(_PACK.replace("-", "_")) else None


def _east_asian(text: str, lacking: str) -> Path | None:
    """The font for a text in which ours lacks these characters; None where it would be of no use."""
    spec = find_spec(_PACK.replace("-", "_"))
    if spec is None or spec.origin is None or not lacking:
        return None
    from fontTools.ttLib import TTFont

    # the same character is drawn differently in Japan, Korea, China and Taiwan: kana and hangul tell
    first = "jp" if re.search("[\u3040-\u30ff]", text) else "kr" if re.search("[\uac00-\ud7a3]", text) else "sc"
    best, most = None, 0
    for language in dict.fromkeys([first, "sc", "tc", "jp", "kr"]):
        (path,) = (Path(spec.origin).parent / "fonts" / "ofl" / f"notosans{language}").glob("*.ttf")
        with TTFont(path, lazy=True) as font:
            known = sum(ord(char) in font.getBestCmap() for char in lacking)
        if known > most:
            best, most = path, known
    return best


def _bold_part(font: Path, text: str, target: Path) -> None:
    """What a text needs of a variable font, in bold: its files are 10 MB and thin as they are."""
    from fontTools.subset import Subsetter
    from fontTools.ttLib import TTFont
    from fontTools.varLib.instancer import instantiateVariableFont

    with TTFont(font, lazy=True) as whole:
        subsetter = Subsetter()
        subsetter.populate(text=text + printable)
        subsetter.subset(whole)
        instantiateVariableFont(whole, {"wght": 700}).save(target)


@cache
def bundled_fonts() -> Path:
    """Where the fonts lie.

    Raises:
        EngineUnavailable: the wheel is not there.
    """
    spec = find_spec("matplotlib")
    home = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" if spec and spec.origin else None
    if home is None or not all((home / name).is_file() for name in _FILES):
        raise EngineUnavailable(
            f"The fonts for captions ({', '.join(_FILES)}) are not in matplotlib's folder.",
            "Reinstall matplotlib, or switch the picture off with --set clip.video=false.",
        )
    return home


def _renamed(own: Path, target: Path) -> Path:
    from fontTools.ttLib import TTFont, TTLibError

    saved = target / "own.ttf"
    try:
        with TTFont(own, fontNumber=0) as font:
            names = font["name"]
            for record in list(names.names):
                if record.nameID in (1, 3, 4, 6, 16, 17, 21, 22):
                    names.removeNames(nameID=record.nameID)
            names.setName(_CALLED, 1, 3, 1, 0x409)
            names.setName("Regular", 2, 3, 1, 0x409)
            names.setName(_CALLED, 4, 3, 1, 0x409)
            names.setName(_CALLED.replace(" ", ""), 6, 3, 1, 0x409)
            font.save(saved)
    except (TTLibError, OSError, KeyError) as error:
        raise UsageError(
            f"The font {own} can't be used ({error}).", "Give clip.font a TrueType or OpenType file (.ttf, .otf, .ttc)."
        ) from error
    return saved
