"""What calls cost: stated prices, and nothing for free by accident."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.errors import UsageError
from earwitness.money.prices import Usage, cost_of, dollars

OPENAI = "https://api.openai.com/v1"
HERE = "http://localhost:11434/v1"


def test_chat_models_are_priced_by_their_makers_address() -> None:
    million = Usage(input_tokens=100_000, output_tokens=10_000)
    assert cost_of(OPENAI, ["gpt-4.1-mini"], million) == 40_000 + 16_000
    assert cost_of("https://api.anthropic.com", ["claude-sonnet-4-5"], million) == 300_000 + 150_000
    assert cost_of(HERE, ["gpt-4.1-mini"], million) is None
    assert cost_of("https://api.openai.com.example.org/v1", ["gpt-4.1-mini"], million) is None
    assert cost_of(OPENAI, ["gpt-that-nobody-knows"], million) is None


def test_sound_is_priced_by_whole_seconds() -> None:
    assert cost_of(OPENAI, ["whisper-1"], Usage(audio_ms=600_000)) == 60_000
    assert cost_of(OPENAI, ["whisper-1"], Usage(audio_ms=500)) == cost_of(OPENAI, ["whisper-1"], Usage(audio_ms=1000))
    # the table of chat models has this one at 0 dollars a token
    assert cost_of(OPENAI, ["whisper-1"], Usage(input_tokens=1000)) is None


def test_the_dearest_of_several_models_counts_and_all_must_be_known() -> None:
    hour = Usage(audio_ms=3_600_000)
    address = "https://api.assemblyai.com"
    assert cost_of(address, ["universal-2"], hour) == 150_000
    assert cost_of(address, ["universal-2", "universal-3-5-pro"], hour) == 210_000
    assert cost_of(address, ["universal-2", "universal-9"], hour) is None


def test_a_users_own_prices_come_first(own_home: Path) -> None:
    table = f"""
    [[price]]
    address = "{HERE}/"
    input_usd = 0
    output_usd = 0

    [[price]]
    address = "{OPENAI}"
    model = "gpt-4.1-mini"
    input_usd = 1.5
    output_usd = 3
    request_usd = 0.01
    """
    (own_home / "prices.toml").write_text(table)
    assert cost_of(HERE, ["anything"], Usage(input_tokens=5_000, output_tokens=5)) == 0
    assert cost_of(OPENAI, ["gpt-4.1-mini"], Usage(input_tokens=1_000, output_tokens=1_000)) == 1_500 + 3_000 + 10_000
    assert cost_of(HERE, ["anything"], Usage(audio_ms=1_000)) is None, "nobody said that sound is free there"


@pytest.mark.parametrize(
    "text", ["[[price]]\naddress = 'x'", "[[price]]\naddress = 'x'\nminute_usd = -1", "price = 3", "[[prices]]", "nope"]
)
def test_prices_that_make_no_sense_are_refused(own_home: Path, text: str) -> None:
    (own_home / "prices.toml").write_text(text)
    with pytest.raises(UsageError, match=r"prices\.toml"):
        cost_of(OPENAI, ["whisper-1"], Usage(audio_ms=1))


def test_a_file_that_is_named_must_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EARWITNESS_PRICES", str(tmp_path / "none.toml"))
    with pytest.raises(UsageError, match="EARWITNESS_PRICES"):
        cost_of(OPENAI, ["whisper-1"], Usage(audio_ms=1))


@given(st.integers(1, 10**7), st.integers(0, 10**6), st.integers(1, 10**6))
def test_more_never_costs_less(read: int, written: int, more: int) -> None:
    less = cost_of(OPENAI, ["gpt-4.1-mini"], Usage(input_tokens=read, output_tokens=written))
    dearer = cost_of(OPENAI, ["gpt-4.1-mini"], Usage(input_tokens=read + more, output_tokens=written))
    assert less is not None
    assert dearer is not None
    assert 0 < less <= dearer


@pytest.mark.parametrize(
    ("micro", "shown"),
    [(0, "$0.00"), (3, "under $0.0001"), (1_234, "$0.0012"), (250_000, "$0.25"), (12 * 10**8, "$1,200.00")],
)
def test_small_amounts_are_not_shown_as_nothing(micro: int, shown: str) -> None:
    assert dollars(micro) == shown
