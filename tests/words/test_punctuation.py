"""Where sentences end, and what is put between two that have no full stop."""

import pytest

from earwitness.words.punctuation import closed, ends_sentence


@pytest.mark.parametrize("text", ["so.", "so!”", "what?)", "well…", "はい。」", "क्या।", "نعم؟"])
def test_closed_sentences_stay_as_they_are(text: str) -> None:
    assert ends_sentence(text)
    assert closed(text) == text


@pytest.mark.parametrize(
    ("text", "expected"), [("and then", "and then."), ("and then, ", "and then."), ("a boy –", "a boy."), ("", "")]
)
def test_open_ones_get_a_full_stop(text: str, expected: str) -> None:
    assert not ends_sentence(text)
    assert closed(text) == expected
