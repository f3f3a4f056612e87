"""What the places that clips are posted to want: size of the picture, safe margins, loudness, limits."""

from dataclasses import dataclass

from earwitness.errors import UsageError
from earwitness.settings import ClipSettings


@dataclass(frozen=True, slots=True)
class Preset:
    """One kind of file. Lengths in pixels.

    What the margins leave free is covered by nobody's buttons: the apps draw names, buttons and descriptions over the
    bottom fifth and the right edge of an upright video.
    """

    name: str
    width: int
    height: int
    loudness_lufs: float = -14.0
    longest_s: float = 600.0
    font_size: int = 60
    line_chars: int = 28
    """Columns of bold type that fit between the side margins."""
    side: int = 90
    top: int = 90
    bottom: int = 150

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height


def _upright(name: str, longest_s: float) -> Preset:
    return Preset(
        name, 1080, 1920, longest_s=longest_s, font_size=66, line_chars=22, side=120, top=250, bottom=480
    )  # fmt: skip


PRESETS = {
    preset.name: preset
    for preset in (
        _upright("tiktok", 600),
        _upright("reels", 180),
        _upright("shorts", 180),
        Preset("youtube", 1920, 1080, font_size=68, line_chars=42, side=180, top=80, bottom=130),
        Preset("square", 1080, 1080),
        Preset("podcast", 1080, 1080, loudness_lufs=-16.0),
    )
}


def wanted(settings: ClipSettings) -> list[Preset]:
    """The presets to render, none where only sound is wanted."""
    return [PRESETS[name] for name in settings.presets] if settings.video else []


def limits_s(settings: ClipSettings) -> tuple[float, float]:
    """Shortest and longest clip in seconds that every preset takes.

    Raises:
        UsageError: a preset takes nothing as long as the shortest clip.
    """
    longest = settings.max_s
    for preset in wanted(settings):
        longest = min(longest, preset.longest_s)
        if longest <= settings.min_s:
            raise UsageError(
                f"clip.min_s is {settings.min_s:g} s, but {preset.name} takes {preset.longest_s:g} s at most.",
                f"Lower clip.min_s, or leave {preset.name} out of clip.presets.",
            )
    return settings.min_s, longest
