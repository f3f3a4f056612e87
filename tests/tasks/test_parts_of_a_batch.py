"""Recordings that are processed side by side end when their batch is interrupted."""

from contextvars import copy_context
from pathlib import Path

import pytest

from earwitness.errors import Interrupted
from earwitness.interrupt import Interruption, current_interruption, stop_if_interrupted
from earwitness.options import RunOptions


def test_a_part_ends_with_its_whole() -> None:
    from tasks.run import Run

    def scene() -> None:
        whole = Interruption()
        current_interruption.set(whole)
        with Run(Path("before.wav"), RunOptions()):
            stop_if_interrupted()
        part = Run(Path("talk.wav"), RunOptions())
        with part:
            stop_if_interrupted()
            whole.happen()
            with pytest.raises(Interrupted):
                stop_if_interrupted()
            stop_if_interrupted()
        assert isinstance(part.error, Interrupted)

    copy_context().run(scene)
