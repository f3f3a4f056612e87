import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.notes.sentences import clean, count_words, sentences_of, split_sentences, terms
from earwitness.words.transcript import Utterance


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("He came. She left!", ["He came.", "She left!"]),
        ("I saw Dr. Smith. He paid 3.50 pounds.", ["I saw Dr. Smith.", "He paid 3.50 pounds."]),
        ('"Where to?" he asks. "Home."', ['"Where to?" he asks.', '"Home."']),
        ("Well... maybe not. Yes.", ["Well... maybe not.", "Yes."]),
        ("hello. how are you", ["hello.", "how are you"]),
        ("他说你好。我们走吧！好的", ["他说你好。", "我们走吧！", "好的"]),
        ("क्या हुआ? सब ठीक है।", ["क्या हुआ?", "सब ठीक है।"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences_end_where_people_end_them(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


def test_endless_speech_comes_in_pieces_that_lose_nothing() -> None:
    words = [f"w{n}" for n in range(500)]
    pieces = split_sentences(" ".join(words))
    assert " ".join(pieces).split() == words
    assert max(len(piece.split()) for piece in pieces) <= 60


@given(st.text(max_size=400))
def test_splitting_loses_no_character(text: str) -> None:
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())


@given(st.text(alphabet="aI um.,-'\"()? the", max_size=120))
def test_cleaning_only_ever_drops_words(text: str) -> None:
    before, after = iter(terms(text)), terms(clean(text))
    assert all(word in before for word in after)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Um, so I-- I think we should go.", "I think we should go."),
        ("The the door, you know, is open.", "The door, is open."),
        ("Okay, so (laughter) we leave.", "We leave."),
        ("Well , that is {disfmarker} fine .", "That is fine."),
        ("He did not say no, no.", "He did not say no, no."),
        ("I rolled 5, 5 damage.", "I rolled 5, 5 damage."),
        ('He says, "Um, I-- I know."', 'He says, "Um, I-- I know."'),
        ("Yes.", "Yes."),
        ("But we never agreed.", "But we never agreed."),
    ],
)
def test_cleaning_is_conservative(said: str, kept: str) -> None:
    assert clean(said) == kept


def test_words_are_counted_as_people_count_them() -> None:
    assert count_words("one two  three") == 3
    assert count_words("你好世界") == 2
    assert count_words("") == 0


def test_an_utterance_of_noise_has_no_sentence() -> None:
    assert sentences_of([Utterance("u0001", None, None, None, "(laughter) ... um")]) == []
