"""Reserve before the call, settle after: whatever happens in between, no limit is passed."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earwitness.errors import BudgetExceeded, PriceUnknown, StorageError, StoreUnreachable, Terminal, UsageError
from earwitness.money.budget import BudgetLimits, Limit
from earwitness.money.ledger import Ledger, Spender
from earwitness.money.prices import Usage
from tests.postgres import new_database, postgres_server

ROOT = Path(__file__).resolve().parents[2]
HOUR, DAY = 3_600_000, 86_400_000


def who(run: str = "r1", user: str = "anna") -> Spender:
    return Spender(run=run, recording="rec", stage="transcribe", user=user, profile="podcast")


def limits(**given: float) -> tuple[Limit, ...]:
    return BudgetLimits.model_validate(given).limits()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    with postgres_server() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty ledger."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'spending.sqlite3'}"
    address: str = request.getfixturevalue("postgres")
    return new_database(address, f"t{abs(hash(str(tmp_path)))}")


class Clock:
    """Time as the test says."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


def reserve(
    ledger: Ledger, usd: int | None, *held: Limit, by: Spender | None = None, usage: Usage | None = None
) -> int:
    return ledger.reserve(by or who(), "key", "a service", "a model", usage or Usage(), usd, held).id


@pytest.mark.parametrize("processes", [50])
def test_fifty_processes_never_pass_a_budget_by_a_cent(database: str, processes: int, own_home: Path) -> None:
    limit = 100_000
    done = subprocess.run(
        [sys.executable, "-m", "tests.money.spend", database, str(limit), str(processes)],
        cwd=ROOT, capture_output=True, text=True, timeout=250, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    billed, ended_well = map(int, done.stdout.split())
    assert ended_well == processes, done.stderr
    counted = sum(row.usd_micro or 0 for row in Ledger(database).rows())
    assert billed <= counted <= limit
    assert counted > limit - 1_000, "the budget was not used up"


def test_a_process_killed_between_reserve_and_settle_has_spent_what_it_reserved(database: str, own_home: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from tests.money.test_ledger import limits, reserve\n"
        "from earwitness.money.ledger import Ledger\n"
        f"reserve(Ledger({database!r}), 700_000, *limits(total_usd=1))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    ledger = Ledger(database)
    (row,) = ledger.rows()
    assert (row.usd_micro, row.state) == (700_000, "open")
    with pytest.raises(BudgetExceeded, match=r"\$0\.70 of it is spent or set aside"):
        reserve(ledger, 300_001, *limits(total_usd=1))
    reserve(ledger, 300_000, *limits(total_usd=1))
    ledger.settle(1, "key", Usage(), 100_000)  # its answer was found
    reserve(ledger, 600_000, *limits(total_usd=1))


def test_what_is_metered_takes_the_place_of_what_was_reserved(database: str) -> None:
    ledger = Ledger(database)
    held = limits(run_usd=0.01, run_tokens=1_000)
    first = reserve(ledger, 9_000, *held, usage=Usage(input_tokens=900))
    with pytest.raises(BudgetExceeded, match=r"budget\.run_usd allows \$0\.0100"):
        reserve(ledger, 2_000, *held)
    ledger.settle(first, "key", Usage(input_tokens=300, output_tokens=50), 4_000)
    ledger.settle(first, "key", Usage(), 0)
    second = reserve(ledger, 2_000, *held, usage=Usage(input_tokens=650))
    with pytest.raises(BudgetExceeded, match=r"run_tokens allows 1,000 tokens.*up to 1 tokens"):
        reserve(ledger, 0, *held, usage=Usage(input_tokens=1))
    ledger.release(second)
    assert ledger.spent_by("r1") == (4_000, 0)
    assert ledger.spent_by("r2") == (0, 0)


@pytest.mark.parametrize(
    ("given", "usage"),
    [
        ({"run_requests": 2}, Usage()),
        ({"total_audio_minutes": 2.5}, Usage(audio_ms=75_000)),
        ({"hour_tokens": 8}, Usage(output_tokens=4)),
    ],
)
def test_every_measure_has_its_limit(tmp_path: Path, given: dict[str, float], usage: Usage) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    for _ in range(2):
        reserve(ledger, 0, *limits(**given), usage=usage)
    with pytest.raises(BudgetExceeded) as stopped:
        reserve(ledger, 0, *limits(**given), usage=usage)
    assert next(iter(given)) in stopped.value.message
    assert "Raise budget." in stopped.value.remedy
    assert isinstance(stopped.value, Terminal)
    assert stopped.value.exit_code == 5


def test_scopes_are_apart(database: str) -> None:
    ledger, held = Ledger(database), limits(run_usd=0.002, user_usd=0.003)
    reserve(ledger, 2_000, *held, by=who("r1", "anna"))
    reserve(ledger, 1_000, *held, by=who("r2", "anna"))
    with pytest.raises(BudgetExceeded, match=r"user_usd.*of this user"):
        reserve(ledger, 1_000, *held, by=who("r3", "anna"))
    reserve(ledger, 2_000, *held, by=who("r4", "ben"))


def test_a_window_looks_back_and_a_clock_that_was_wrong_frees_nothing(tmp_path: Path) -> None:
    clock = Clock()
    ledger = Ledger(f"sqlite:///{tmp_path / 'x.sqlite3'}", clock)
    held = limits(hour_usd=1)
    reserve(ledger, 600_000, *held)
    clock.now += HOUR // 2
    reserve(ledger, 400_000, *held)
    clock.now += HOUR // 2 - 1
    with pytest.raises(BudgetExceeded, match="in 60 minutes"):
        reserve(ledger, 1, *held)
    clock.now += 1
    reserve(ledger, 600_000, *held)
    clock.now -= 3 * DAY  # set back: what is stamped later counts all the same
    with pytest.raises(BudgetExceeded):
        reserve(ledger, 1, *held)
    clock.now += 3 * DAY + 2 * HOUR
    reserve(ledger, 1_000_000, *held)


def test_what_has_no_price_is_never_free(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    with pytest.raises(PriceUnknown, match=r"a model of a service.*budget\.day_usd"):
        reserve(ledger, None, *limits(day_usd=100))
    reserve(ledger, None, *limits(day_requests=1))
    assert ledger.spent_by("r1") == (0, 1)
    with pytest.raises(BudgetExceeded):
        reserve(ledger, None, *limits(day_requests=1))


def test_it_is_said_once_that_a_limit_is_near(tmp_path: Path) -> None:
    clock = Clock()
    ledger = Ledger(f"sqlite:///{tmp_path / 'x.sqlite3'}", clock)
    held = limits(day_usd=1)

    def said(usd: int) -> list[str]:
        reserved = ledger.reserve(who(), "", "a service", "a model", Usage(), usd, held)
        assert {where for where, _ in reserved.warnings} <= {"budget.day_usd"}
        return [text for _, text in reserved.warnings]

    assert said(790_000) == []
    assert said(20_000) == ["81 % of budget.day_usd is spent or set aside: $0.81 of $1.00 in 24 hours."]
    assert said(20_000) == []
    assert len(ledger.warnings_of("r1")) == 1
    clock.now += DAY
    assert len(said(900_000)) == 1


@settings(max_examples=25)
@given(st.data())
def test_no_order_of_events_passes_a_limit(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    clock = Clock()
    ledger = Ledger(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'x.sqlite3'}", clock)
    held = limits(run_usd=0.00005, hour_usd=0.00008, total_usd=0.0002, total_requests=9)
    charged: list[tuple[int, str, int]] = []
    waiting: list[tuple[int, int, str]] = []
    for step in data.draw(
        st.lists(st.sampled_from("reserve settle release unclear die later earlier".split()), max_size=25)
    ):
        run = data.draw(st.sampled_from(["r1", "r2"]))
        if step == "reserve":
            usd = data.draw(st.integers(1, 60))
            try:
                waiting.append((reserve(ledger, usd, *held, by=who(run)), usd, run))
            except BudgetExceeded:
                continue
        elif step in {"later", "earlier"}:
            clock.now += (1 if step == "later" else -1) * data.draw(st.integers(0, 2 * HOUR))
        elif waiting:
            number, most, run = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
            if step == "settle":
                usd = data.draw(st.integers(0, most))
                ledger.settle(number, "key", Usage(), usd)
                charged.append((clock.now, run, usd))
            elif step == "release":
                ledger.release(number)
            else:
                if step == "unclear":
                    ledger.unclear(number)
                charged.append((clock.now, run, most))
        billed = sum(usd for _, _, usd in charged)
        assert billed + sum(usd for _, usd, _ in waiting) == sum(row.usd_micro or 0 for row in ledger.rows()) <= 200
        for name in ("r1", "r2"):
            assert ledger.spent_by(name)[0] <= 50
    assert len(ledger.rows()) <= 9


def test_threads_share_a_budget(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    done: list[int] = []

    def work() -> None:
        try:
            while True:
                done.append(reserve(ledger, 10_000, *limits(total_usd=0.2)))
        except BudgetExceeded:
            return

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(done) == len(set(done)) == 20


def test_looking_makes_no_file(own_home: Path) -> None:
    ledger = Ledger()
    assert ledger.rows() == []
    assert ledger.spent_by("r1") == (0, 0)
    assert ledger.warnings_of("r1") == []
    assert list(own_home.iterdir()) == []


def test_without_its_ledger_nothing_is_spent(tmp_path: Path) -> None:
    broken = tmp_path / "x.sqlite3"
    broken.write_text("this is no database " * 100)
    with pytest.raises(StorageError, match=r"x\.sqlite3"):
        reserve(Ledger(f"sqlite:///{broken}"), 1)
    with pytest.raises(UsageError, match="EARWITNESS_DATABASE"):
        reserve(Ledger("mysql://somebody:pass@host/x"), 1)


def test_a_database_that_does_not_answer_is_tried_again_and_its_password_is_not_told() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreUnreachable) as failed:
        reserve(Ledger("postgresql://me:geheim@127.0.0.1:9/x"), 1)
    assert "127.0.0.1:9/x" in str(failed.value)
    assert "geheim" not in str(failed.value)


def test_the_database_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EARWITNESS_DATABASE", f"sqlite:///{tmp_path / 'mine.sqlite3'}")
    reserve(Ledger(), 5)
    assert (tmp_path / "mine.sqlite3").is_file()
    assert os.environ["EARWITNESS_DATABASE"]
