"""A program that spends as fast as it can from many processes, for the tests of the ledger.

Run: `python -m tests.money.spend URL LIMIT_MICRO PROCESSES`. It prints what a service would have on its bill.
"""

import os
import random
import sys

from earwitness.errors import BudgetExceeded
from earwitness.money.budget import Limit
from earwitness.money.ledger import Ledger, Spender
from earwitness.money.prices import Usage

MOST = 1_000
"""Micro-dollars that a call is thought to cost at most."""


def spend(url: str, limit: int, number: int, bill: int) -> None:
    """Call until the budget is used up; `bill` is where the service counts."""
    dice = random.Random(number)
    ledger = Ledger(url)
    spender = Spender(run=f"run{number}", recording="", stage="transcribe", user="me", profile="podcast")
    limits = [Limit("total", "usd", limit, "budget.total_usd"), Limit("hour", "usd", limit, "budget.hour_usd")]
    while True:
        try:
            place = ledger.reserve(spender, "", "a service", "a model", Usage(), MOST, limits)
        except BudgetExceeded:
            return
        kind = dice.random()
        if kind < 0.1:
            ledger.release(place.id)
            continue
        charged = dice.randint(MOST // 2, MOST)
        os.write(bill, f"{charged}\n".encode())
        if kind < 0.2:
            ledger.unclear(place.id)
        elif kind > 0.25:  # else it dies before it could settle, as far as the ledger knows
            ledger.settle(place.id, "", Usage(), charged)


def main(url: str, limit: int, processes: int) -> None:
    """Print the sum of what was charged."""
    reading, writing = os.pipe()
    ready, go = os.pipe()
    children = []
    for number in range(processes):
        if not (child := os.fork()):
            code = 1
            try:
                os.close(reading)
                os.close(go)
                os.read(ready, 1)  # ends when all are there, so that they begin together
                spend(url, limit, number, writing)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    os.close(writing)
    os.close(go)
    with os.fdopen(reading) as bill:
        total = sum(map(int, bill))
    codes = [os.waitpid(child, 0)[1] for child in children]
    sys.stdout.write(f"{total} {sum(code == 0 for code in codes)}\n")


if __name__ == "__main__":
    # imports what is needed once, and not in every child
    Ledger(sys.argv[1]).reserve(Spender("", "", "", "", ""), "", "", "", Usage(requests=0), 0, ())
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
