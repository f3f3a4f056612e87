"""The soak in short, for every change: `make soak` is the long form."""

import random
from pathlib import Path

import pytest

from tests.openai_server import openai_server
from tests.runs import cut_calls
from tests.soak.soak import PROFILE, SPANS, Soak

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(900)]


def test_runs_that_are_killed_lose_nothing_and_pay_once(prefect_server: None, tmp_path: Path) -> None:
    from prefect.settings import PREFECT_API_URL

    recordings = cut_calls(tmp_path / "recordings", yankee=SPANS["yankee"])
    with openai_server() as service:
        quick = (*PROFILE, "--set", "clip.video=false", "--set", "show.make=false")
        soak = Soak(tmp_path, recordings, str(PREFECT_API_URL.value()), service, random.Random(8), options=quick)
        soak.cycle(2)
    assert soak.kills >= 1
