"""What is drawn: inside the safe area, for the size of the picture, each word lit while it is said."""

import re
from pathlib import Path

import numpy as np
import pytest

from earwitness.clips.captions import cues_of
from earwitness.clips.fonts import Fonts, bundled_fonts, fonts_in
from earwitness.clips.picture import Look, Scene, artwork_box, measure_of, moving, room_for_lines, still, waveform_box
from earwitness.clips.presets import PRESETS, Preset
from earwitness.clips.units import Unit
from earwitness.errors import UsageError
from earwitness.words.transcript import Word

LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
TEXTS = (
    "Well, there isn't that much difference between one and the other if you think about it.",
    f"The {LONG} is a word.",
    "Привет, как у тебя сегодня дела, мой дорогой друг?",
    "مرحبا بكم في هذه الحلقة الجديدة من البرنامج",
)


@pytest.fixture(scope="module")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> Fonts:
    return fonts_in(tmp_path_factory.mktemp("fonts"))


def scene(preset: Preset, fonts: Fonts, text: str, title: str = "Title", name: str = "Sam", **look: object) -> Scene:
    words = tuple(Word(w, 500 + n * 300, 780 + n * 300, 1.0, "A", "u0001") for n, w in enumerate(text.split()))
    unit = Unit(500, words[-1].end_ms, text, "A", "u0001", words, True)
    cues = cues_of([unit], 0, 12_000, room_for_lines(preset), measure_of(preset, fonts))
    levels = np.linspace(0, 1, 400, dtype=np.float32)
    return Scene(preset, cues, title, {"A": name}, 12_000, levels, fonts, Look(**look))  # type: ignore[arg-type]


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
@pytest.mark.parametrize("text", TEXTS)
def test_everything_fits_between_the_margins(preset: Preset, text: str, fonts: Fonts) -> None:
    shown = scene(preset, fonts, text, f"{text} {LONG}", f"{LONG} of {LONG}")
    for file in (still(shown), moving(shown)):
        assert (file.info["PlayResX"], file.info["PlayResY"]) == (str(preset.width), str(preset.height))
        for event in file:
            if event.style == "Bars":
                xs = [int(x) for x, _ in re.findall(r"(\d+) (\d+)(?= |$)", event.text.split("}")[-1])]
                assert min(xs) >= preset.side
                assert max(xs) <= preset.width - preset.side
                continue
            style = file.styles[event.style]
            lines = re.sub(r"\{[^}]*\}", "", event.text).split(r"\N")
            assert len(lines) <= (3 if event.style == "Title" else 2)
            assert all(fonts.width(line, style.fontsize) <= preset.width - 2 * preset.side for line in lines)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_title_waveform_name_and_words_lie_under_one_another(preset: Preset, fonts: Fonts) -> None:
    file = moving(scene(preset, fonts, TEXTS[0]))
    middle, tall = waveform_box(preset, artwork=False)
    name_from = preset.height - file.styles["Name"].marginv - file.styles["Name"].fontsize
    words_from = file.styles["Words"].marginv
    assert preset.top + 3 * 0.85 * preset.font_size <= middle - tall // 2
    assert tall >= 80
    assert middle + tall // 2 <= name_from
    assert name_from + file.styles["Name"].fontsize <= words_from
    assert words_from + 2 * preset.font_size <= preset.height - preset.bottom


def test_each_word_is_lit_while_it_is_said_and_only_then(fonts: Fonts) -> None:
    shown = scene(PRESETS["tiktok"], fonts, "Never say never again, my friend.")
    lit = {}
    for event in moving(shown):
        if event.style == "Words" and (found := re.search(r"\\1c&H66D1FF&\}([^{]*)\{", event.text)):
            lit[event.start] = found.group(1)
    assert lit == {500 + n * 300: word for n, word in enumerate("Never say never again, my friend.".split())}


def test_colours_are_those_of_the_show(fonts: Fonts) -> None:
    file = moving(scene(PRESETS["square"], fonts, TEXTS[0], colours=("#112233",)))
    assert any(r"\1c&H332211&" in event.text for event in file if event.style == "Name")


def test_artwork_has_room_in_upright_pictures_only() -> None:
    box = artwork_box(PRESETS["tiktok"])
    assert box
    left, top, side = box
    middle, tall = waveform_box(PRESETS["tiktok"], artwork=True)
    assert top + side <= middle - tall // 2
    assert left >= 0
    assert artwork_box(PRESETS["youtube"]) is None
    assert artwork_box(PRESETS["square"]) is None


def test_a_font_of_ones_own_is_taken_whatever_it_is_called(tmp_path: Path) -> None:
    own = fonts_in(tmp_path, bundled_fonts() / "DejaVuSerif.ttf")
    assert own.family != "DejaVu Serif"
    assert own.width("Hello", 50) != fonts_in(tmp_path).width("Hello", 50)
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font at all")
    with pytest.raises(UsageError, match=r"clip\.font"):
        fonts_in(tmp_path, broken)


def test_characters_without_a_shape_are_known(fonts: Fonts) -> None:
    assert fonts.lacking("Hello мир שלום 世界") == "世界"
