"""Roles that nobody stated: found where it is clear, left alone where it is not, and never against what was stated."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.options import Profile
from earwitness.words.cast import Cast, CastMember, Speaker, role_text
from earwitness.words.roles import LEADS, find_lead, infer_roles, parts_of
from earwitness.words.transcript import Utterance

GM, ANN, BOB, CAL = (f"SPEAKER_0{n}" for n in range(4))


def said(lines: Sequence[tuple[str | None, str]]) -> list[Utterance]:
    return [Utterance(f"u{n:04d}", speaker, None, None, text) for n, (speaker, text) in enumerate(lines, 1)]


def game(rounds: int = 12) -> list[tuple[str | None, str]]:
    """The game master answers everybody and tells them what they see."""
    scene = "You see the gate open before you, and your lantern throws long shadows on the old stones as you step in."
    lines: list[tuple[str | None, str]] = []
    for _ in range(rounds):
        for player, text in ((ANN, "I look around. What is there?"), (BOB, "I go first."), (CAL, "Can I hear them?")):
            lines += [(player, text), (GM, scene)]
    return lines


def interview(rounds: int = 20) -> list[tuple[str | None, str]]:
    answer = "We lived by the river then, and my father worked at the mill until they closed it after the war."
    return [line for _ in range(rounds) for line in ((GM, "And where did you go from there?"), (ANN, answer))]


def meeting(rounds: int = 10) -> list[tuple[str | None, str]]:
    lines: list[tuple[str | None, str]] = []
    for _ in range(rounds):
        for other in (ANN, BOB, CAL):
            lines += [
                (GM, "Right, next point on the list, the remote control. What did we find out about that?"),
                (other, "We asked forty people and most of them want fewer buttons."),
            ]
    return lines


CONVERSATIONS = {
    Profile.TABLETOP: game(),
    Profile.PODCAST: interview(),
    Profile.ARCHIVE: interview(),
    Profile.WORKPLACE: meeting(),
}


def speakers(*labels: str, **changes: object) -> list[Speaker]:
    return [Speaker(label=label, name=label).model_copy(update=changes) for label in labels or (GM, ANN, BOB, CAL)]


def roles(found: Sequence[Speaker]) -> dict[str, str]:
    return {speaker.label: speaker.role for speaker in found if speaker.role}


@pytest.mark.parametrize("profile", Profile)
def test_who_leads_is_found_and_marked(profile: Profile) -> None:
    found = infer_roles(speakers(), said(CONVERSATIONS[profile]), profile)
    assert roles(found) == {GM: LEADS[profile]}
    assert {speaker.role_by for speaker in found} == {"inferred", None}
    assert [speaker.name for speaker in found] == [GM, ANN, BOB, CAL], "a role is never a name"
    assert found[0].role_text == f"{LEADS[profile]} (inferred)"


@pytest.mark.parametrize("profile", Profile)
def test_a_talk_of_equals_has_no_leader(profile: Profile) -> None:
    text = "I think you should take your boat down the river. Do you want to?"
    lines: list[tuple[str | None, str]] = [((GM, ANN, BOB, CAL)[n % 4], text) for n in range(80)]
    assert roles(infer_roles(speakers(), said(lines), profile)) == {}


@pytest.mark.parametrize("profile", Profile)
def test_too_little_talk_says_nothing(profile: Profile) -> None:
    assert roles(infer_roles(speakers(), said(CONVERSATIONS[profile][:20]), profile)) == {}
    assert parts_of([]) == []


def test_a_lecture_is_no_game() -> None:
    lines = [(label, text.replace("You", "They").replace("you", "them")) for label, text in game()]
    assert find_lead(parts_of(said(lines)), Profile.TABLETOP) is None


def test_languages_that_are_not_known_have_no_game_master() -> None:
    assert find_lead(parts_of(said(game()), "xx"), Profile.TABLETOP) is None
    german = [(label, text.replace("You", "Ihr").replace("you", "ihr")) for label, text in game()]
    assert find_lead(parts_of(said(german), "de"), Profile.TABLETOP) == GM


def test_two_who_ask_are_not_one_host() -> None:
    lines = [(ANN if n % 4 == 2 else label, text) for n, (label, text) in enumerate(interview())]
    both = [(BOB if label == ANN and "?" not in text else label, text) for label, text in lines]
    assert find_lead(parts_of(said(both)), Profile.PODCAST) is None


@pytest.mark.parametrize("profile", Profile)
def test_the_cast_always_wins(profile: Profile) -> None:
    heard = said(CONVERSATIONS[profile])
    stated = speakers(role="player", role_by="cast")
    assert infer_roles(stated, heard, profile) == stated, "a stated role is never changed"
    elsewhere = Cast(members=[CastMember(person="Someone Else", role=LEADS[profile].title())])
    assert roles(infer_roles(speakers(), heard, profile, elsewhere)) == {}, "the role is another's"
    others = Cast(members=[CastMember(person="Someone Else", role="player")])
    assert roles(infer_roles(speakers(), heard, profile, others)) == {GM: LEADS[profile]}


@pytest.mark.parametrize("word", ["GM", "Dungeon Master", "narrator", "Game-Master, founder"])
def test_the_role_is_known_by_its_other_names(word: str) -> None:
    cast = Cast(members=[CastMember(person="Mia", role=word.replace("-", ""))])
    assert roles(infer_roles(speakers(), said(game()), Profile.TABLETOP, cast)) == {}


def test_words_of_nobody_are_passed_over() -> None:
    lines = [line for pair in zip(game(), [(None, "Mhm?")] * 72, strict=True) for line in pair]
    assert find_lead(parts_of(said(lines)), Profile.TABLETOP) == GM
    assert None not in {part.label for part in parts_of(said(lines))}


@given(
    st.lists(st.tuples(st.sampled_from([GM, ANN, BOB, None]), st.text(max_size=80)), max_size=120),
    st.sampled_from(Profile),
)
def test_shares_add_up_and_at_most_one_leads(lines: list[tuple[str | None, str]], profile: Profile) -> None:
    parts = parts_of(said(lines))
    for field in ("words", "turns"):
        assert not parts or sum(getattr(part, field) for part in parts) == pytest.approx(1)
    assert sum(part.asked for part in parts) == pytest.approx(1) or not any(part.questions for part in parts)
    found = infer_roles(speakers(GM, ANN, BOB), said(lines), profile)
    assert len(roles(found)) <= 1


def test_a_role_for_people_says_how_it_came_about() -> None:
    assert role_text(None, None) == ""
    assert role_text("host", "cast") == "host"
    assert role_text("host", None) == "host"
    assert role_text("host", "inferred") == "host (inferred)"
