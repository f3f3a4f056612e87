import pytest

from earwitness.notes.support import Known, is_supported
from earwitness.words.cast import Cast, CastMember, Speaker
from earwitness.words.transcript import Utterance

SAID = Utterance(
    "u0001", "SPEAKER_00", None, None, "I gave Lorenzo twelve gold, and he said: we leave (cough) at dawn."
)
KNOWN = Known.of(
    Cast(members=[CastMember(person="Sam Riegel", character="Nott")]),
    [Speaker(label="SPEAKER_00", name="Sam Riegel", character="Nott")],
)


@pytest.mark.parametrize(
    ("claim", "carried"),
    [
        ("I gave Lorenzo twelve gold.", True),
        ("Nott: I gave Lorenzo 12 gold.", True),
        ("SPEAKER_00: I gave Lorenzo twelve gold.", True),
        ("I gave Lorenzo 13 gold.", False),
        ("I gave Lorenzo thirteen gold.", False),
        ("I gave Caleb twelve gold.", False),
        ("Caleb gave Lorenzo twelve gold.", False),
        ('Nott: "we leave at dawn"', True),
        ('Nott: "we leave (cough) at dawn"', True),
        ('Nott: "we left at dawn"', False),
        ("Nott: “we leave at dusk”", False),
        ("They leave at dawn.", True),
        ("Lorenzo’s gold.", True),
    ],
)
def test_names_numbers_and_quotes_must_be_in_the_evidence(claim: str, carried: bool) -> None:
    assert is_supported(claim, [SAID], KNOWN) is carried


def test_nothing_is_supported_by_nothing() -> None:
    assert not is_supported("They leave.", [], KNOWN)


def test_scripts_without_capitals_must_be_said_word_for_word() -> None:
    said = Utterance("u0001", None, None, None, "他说我们走吧")
    assert is_supported("我们走吧", [said], Known())
    assert not is_supported("我们吃饭", [said], Known())
