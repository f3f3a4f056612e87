import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.errors import UsageError
from earwitness.words.cast import Cast, CastMember, load_cast
from earwitness.words.naming import name_speakers, vocabulary

YAML = """\
campaign: The Sunken Crown
session: 12
members:
  - {person: Sam, character: Grog, role: player, aliases: [Sammy, "S."]}
  - person: Mia
    role: game master
    speaker: SPEAKER_02
"""

TOML = """\
campaign = "The Sunken Crown"
session = 12

[[members]]
person = "Sam"
character = "Grog"
role = "player"
aliases = ["Sammy", "S."]

[[members]]
person = "Mia"
role = "game master"
speaker = "SPEAKER_02"
"""


def written(folder: Path, text: str, name: str = "cast.yaml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_yaml_and_toml_say_the_same(tmp_path: Path) -> None:
    cast = load_cast(written(tmp_path, YAML))
    assert cast == load_cast(written(tmp_path, TOML, "cast.toml"))
    assert cast.campaign == "The Sunken Crown"
    assert cast.session == "12"
    assert cast.members[0] == CastMember(person="Sam", character="Grog", role="player", aliases=["Sammy", "S."])


def test_a_bare_list_and_bare_names_are_enough(tmp_path: Path) -> None:
    cast = load_cast(written(tmp_path, "- {person: Sam, character: Grog}\n- Mia\n"))
    assert [(m.person, m.character) for m in cast.members] == [("Sam", "Grog"), ("Mia", None)]


def test_an_empty_file_is_an_empty_cast(tmp_path: Path) -> None:
    assert load_cast(written(tmp_path, "# nobody yet\n")) == Cast()


@pytest.mark.parametrize(
    ("name", "text", "line", "key"),
    [
        ("cast.yaml", YAML.replace("    role: game", "    rolle: game"), 6, "rolle"),
        ("cast.toml", TOML.replace('"Mia"\nrole', '"Mia"\nrolle'), 12, "rolle"),
        ("cast.yaml", "campain: x\nmembers: []\n", 1, "campain"),
        ("cast.yaml", "- person: Sam\n- character: Grog\n", 2, "person"),
        ("cast.yaml", "- person: Sam\n  aliases: Grog\n", 2, "aliases"),
    ],
)
def test_a_refusal_names_line_key_and_what_is_allowed(
    tmp_path: Path, name: str, text: str, line: int, key: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load_cast(written(tmp_path, text, name))
    assert f"line {line}" in caught.value.message
    assert key in caught.value.message
    assert "person" in caught.value.remedy or "members" in caught.value.remedy
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("just a sentence", "text"),
        ("members: {", "not valid YAML at line"),
        ("members: &m [a]\ncampaign: *m\n", "reference"),
        ("- Sam\n- sam\n", "twice"),
        ("- {person: A, speaker: SPEAKER_00}\n- {person: B, speaker: SPEAKER_00}\n", "two people"),
        ("\x00", "not valid YAML"),
    ],
)
def test_what_is_no_cast_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        load_cast(written(tmp_path, text))


def test_a_missing_file_and_binary_junk_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        load_cast(tmp_path / "none.yaml")
    (tmp_path / "junk.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(UsageError, match="UTF-8"):
        load_cast(tmp_path / "junk.yaml")


def test_names_become_one_printable_line(tmp_path: Path) -> None:
    cast = load_cast(written(tmp_path, '- {person: "Sam\\n\\u202e{\\\\an8}  x"}\n'))
    assert cast.members[0].person == "Sam {\\an8} x"


CAST = Cast(
    members=[
        CastMember(person="Sam", aliases=["Sammy"], character="Grog", role="player"),
        CastMember(person="Mia", role="game master", speaker="SPEAKER_02"),
        CastMember(person="Noah", aliases=["The Doc"], character="Vex"),
        CastMember(person="Ada", aliases=["The Doc"]),
    ]
)
LABELS = ["SPEAKER_00", "SPEAKER_01", "SPEAKER_02"]
TALK = {"SPEAKER_00": 9000, "SPEAKER_01": 8000, "SPEAKER_02": 5000}


def test_transcript_names_find_people_by_alias_and_character() -> None:
    found = name_speakers(LABELS, {"SPEAKER_00": "SAMMY", "SPEAKER_01": "vex"}, CAST, TALK)
    assert [(s.name, s.character, s.named_by) for s in found] == [
        ("Sam", "Grog", "cast"),
        ("Noah", "Vex", "cast"),
        ("Mia", None, "cast"),
    ]


def test_nobody_is_guessed() -> None:
    found = name_speakers(LABELS, {"SPEAKER_01": "the doc"}, CAST, TALK)
    assert [(s.name, s.named_by) for s in found] == [
        ("SPEAKER_00", "nobody"),
        ("the doc", "transcript"),
        ("Mia", "cast"),
    ]


def test_a_pin_beats_the_transcript() -> None:
    found = name_speakers(LABELS, {"SPEAKER_00": "Mia", "SPEAKER_02": "Sam"}, CAST, TALK)
    assert [s.name for s in found] == ["SPEAKER_00", "SPEAKER_01", "Mia"]


def test_a_sliver_of_a_voice_does_not_take_the_name_of_another() -> None:
    names = {"SPEAKER_00": "Sam", "SPEAKER_01": "Sam"}
    assert [s.name for s in name_speakers(LABELS[:2], names, CAST, TALK)] == ["Sam", "Sam"]
    sliver = {"SPEAKER_00": 60_000, "SPEAKER_01": 400}
    assert [s.name for s in name_speakers(LABELS[:2], names, CAST, sliver)] == ["Sam", "SPEAKER_01"]


@given(
    names=st.dictionaries(st.sampled_from(LABELS), st.text(max_size=12)),
    talk=st.dictionaries(st.sampled_from(LABELS), st.integers(0, 10**7)),
    cast=st.sampled_from([None, CAST, Cast()]),
)
def test_every_label_comes_back_once_and_in_order(
    names: dict[str, str], talk: dict[str, int], cast: Cast | None
) -> None:
    found = name_speakers(LABELS, names, cast, talk)
    assert [s.label for s in found] == LABELS
    assert all(s.name for s in found)
    assert found == name_speakers(LABELS, dict(reversed(names.items())), cast, talk)


def test_the_vocabulary_has_every_name_once() -> None:
    assert vocabulary(CAST) == ["Sam", "Sammy", "Grog", "Mia", "Noah", "The Doc", "Vex", "Ada"]
    assert vocabulary(None) == []
