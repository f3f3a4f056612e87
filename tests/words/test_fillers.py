import pytest

from earwitness.notes.sentences import clean
from earwitness.words.fillers import is_filler


@pytest.mark.parametrize("word", ["um", "Uh,", "uhh", "Er...", "erm", "ehm", "hmm", "mhm.", "äh", "euh", "—um—"])
def test_what_people_say_while_they_look_for_words_is_a_filler_everywhere(word: str) -> None:
    assert is_filler(word)


def test_notes_leave_the_same_fillers_out() -> None:
    assert clean("The boat, ehm, left äh without us.") == "The boat, left without us."


@pytest.mark.parametrize("word", ["umbrella", "her", "err", "eh?", "here", "I", "", "muhm", "oh", "ah"])
def test_words_that_mean_something_are_none(word: str) -> None:
    assert not is_filler(word)
