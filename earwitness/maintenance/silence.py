"""How long runs on other machines have given no sign of life, as seen from here."""

import json
import time
from collections.abc import Mapping

from earwitness.home import home
from earwitness.storage.locks import locked
from earwitness.storage.whole import write_whole


def unchanged_for(signs: Mapping[str, str], most_between_s: float) -> dict[str, float]:
    """How long the last sign of life of each run has been the same, in seconds.

    Clocks of machines differ, a server that was down has told nobody anything, and this machine may have been asleep.
    So what counts is not how old a sign says that it is, but how long we have seen the same one; and between two looks
    never more than `most_between_s`, since nobody knows what happened there.

    Args:
        signs: run → its last sign of life. Runs that are not named are forgotten.
        most_between_s: seconds that two looks in a row can count for.
    """
    with locked("silence"):
        path, now = home() / "silence.json", time.time()
        try:
            known = json.loads(path.read_bytes())
            seen = {run: (str(sign), float(silent), float(at)) for run, (sign, silent, at) in known.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            seen = {}
        noted: dict[str, tuple[str, float, float]] = {}
        for run, sign in signs.items():
            before, silent, at = seen.get(run, ("", 0.0, now))
            passed = min(max(now - at, 0.0), most_between_s)  # a clock that was set back proves nothing
            noted[run] = (sign, silent + passed if before == sign else 0.0, now)
        if noted or seen:
            write_whole(path, json.dumps(noted).encode())
    return {run: silent for run, (_, silent, _) in noted.items()}
