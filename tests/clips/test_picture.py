"""What is drawn: inside the safe area, for the size of the picture, each word lit while it is said."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earwitness.audio.ffmpeg import ffmpeg_path
from earwitness.clips.captions import cues_of
from earwitness.clips.fonts import Fonts, bundled_fonts, fonts_in
from earwitness.clips.make import drawable
from earwitness.clips.picture import Look, Scene, artwork_box, measure_of, moving, room_for_lines, still, waveform_box
from earwitness.clips.presets import PRESETS, Preset
from earwitness.clips.render import encode_picture
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


EAST_ASIAN = (
    "今日は Rust について話しましょう。",
    "오늘은 새로운 소식을 전해 드립니다",
    "我们今天来谈谈这个项目",
    "我們今天來談談這個專案",
)


@pytest.mark.parametrize("text", EAST_ASIAN)
def test_chinese_japanese_and_korean_are_drawn_on_a_machine_without_fonts(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FONTCONFIG_FILE", "/nowhere")
    fonts = fonts_in(tmp_path, text=text)
    assert fonts.lacking(text) == ""
    small = Preset("tiny", 270, 480, font_size=20, side=20, top=40, bottom=60)
    frames: list[bytes] = []
    for shown in (text, text[1] + text[0] + text[2:]):  # boxes would look the same
        target = tmp_path / f"{len(frames)}.mp4"
        sound = tmp_path / "sound.m4a"
        subprocess.run(
            [ffmpeg_path(), "-v", "error", "-y", "-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac", str(sound)], check=True
        )
        encode_picture(replace(scene(small, fonts, shown), length_ms=1_000), sound, target)
        frames.append(target.read_bytes())
    assert frames[0] != frames[1]


def test_characters_without_a_shape_are_known(fonts: Fonts) -> None:
    assert fonts.lacking("Hello мир שלום 世界") == "世界"


def drawn(shown: Scene, at_s: float, folder: Path) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Which pixels of a frame are not the ground."""
    files = [folder / "still.ass", folder / "moving.ass"]
    for made, path in zip((still(shown), moving(shown)), files, strict=True):
        made.save(str(path))
    wide, tall = shown.preset.size
    layers = ",".join(f"ass=filename={path}:fontsdir={shown.fonts.folder}:shaping=complex" for path in files)
    graph = f"color=c=black:s={wide}x{tall}:r=25:d=0.04,setpts=PTS+{at_s}/TB,{layers}"
    command = [ffmpeg_path(), "-v", "error", "-f", "lavfi", "-i", graph, "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(tall, wide) > 24


@pytest.mark.parametrize("over_film", [False, True])
@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_what_is_drawn_stays_in_the_safe_area(preset: Preset, over_film: bool, fonts: Fonts, tmp_path: Path) -> None:
    words = f"{LONG} Żółć gÿ ÅÇ " + "jumbling piglets quickly queue for yoghurt " * 3
    text = words if preset.name != "youtube" else TEXTS[3]
    shown = scene(preset, fonts, text, f"{text} {LONG}", f"{LONG} of {LONG}")
    shown = replace(shown, over_film=over_film, levels=np.zeros(0, np.float32) if over_film else shown.levels)
    pixels = drawn(shown, 2.5, tmp_path)
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    assert preset.side <= columns[0] <= columns[-1] < preset.width - preset.side
    assert preset.top <= rows[0] <= rows[-1] < preset.height - preset.bottom
    captions = pixels[preset.height - preset.bottom - 2 * preset.font_size : preset.height - preset.bottom]
    assert captions.sum() > 1_000


def test_emoji_that_the_font_lacks_are_not_drawn_as_boxes(fonts: Fonts) -> None:
    assert fonts.drawable("That was 👍🏽 great, 👨‍👩‍👧!") == "That was great, !"
    assert fonts.drawable("سلام می‌کنم नमस्ते 世界 $5 €") == "سلام می‌کنم नमस्ते 世界 $5 €"
    words = tuple(Word(w, n * 300, n * 300 + 200, 1.0, "A", "u1") for n, w in enumerate(("Yes", "🎉", "we", "did🎉")))
    (unit,) = drawable([Unit(0, 1_100, "Yes 🎉 we did🎉", "A", "u1", words, True)], fonts)
    assert [word.text for word in unit.words] == ["Yes", "we", "did"]
    assert unit.text == "Yes we did"


def test_long_titles_end_behind_a_word(fonts: Fonts) -> None:
    title = "A title that goes on and on until nobody would want to read any more of it on the screen of a telephone"
    file = still(scene(PRESETS["tiktok"], fonts, TEXTS[0], title))
    (shown,) = [event.text.replace(r"\N", " ") for event in file if event.style == "Title"]
    assert shown.endswith("…")
    assert shown[:-1] in title
    assert title[len(shown) - 1] == " "


def test_drawing_only_what_changes_gives_the_same_film(
    fonts: Fonts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Preset("tiny", 270, 480, font_size=20, side=20, top=40, bottom=60)
    shown = replace(scene(small, fonts, TEXTS[0]), length_ms=6_000)
    sound = tmp_path / "sound.m4a"
    subprocess.run(
        [ffmpeg_path(), "-v", "error", "-f", "lavfi", "-i", "sine=d=6", "-c:a", "aac", str(sound)], check=True
    )
    encode_picture(shown, sound, tmp_path / "quick.mp4")
    monkeypatch.setattr("earwitness.clips.render._changes", lambda drawn: "1")
    encode_picture(shown, sound, tmp_path / "slow.mp4")
    assert (tmp_path / "quick.mp4").read_bytes() == (tmp_path / "slow.mp4").read_bytes()
