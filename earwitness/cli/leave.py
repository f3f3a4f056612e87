"""Leaving within seconds of Ctrl-C or SIGTERM, whatever the stages are doing.

Engines and ffmpeg are stopped by the interruption itself; Python code in a stage's thread can't be, nor a pause between
two tries. Ending in the middle of them is safe: a checkpoint is there whole or not at all.
"""

import atexit
import os
import sys
import threading

from earwitness.errors import ExitCode

GRACE_S = 10.0
"""For the stages to notice and for Prefect to note that the run ended."""


def leave_soon() -> None:
    """End the process after a while if it has not ended by then."""
    timer = threading.Timer(GRACE_S, _leave)
    timer.daemon = True
    timer.start()


def _leave() -> None:
    print("earwitness: interrupted; finished stages are kept and the next run goes on from there.", file=sys.stderr)
    last = threading.Timer(GRACE_S, os._exit, [int(ExitCode.INTERRUPTED)])
    last.daemon = True
    last.start()
    atexit._run_exitfuncs()  # ends the engines and Prefect's server; os._exit alone would leave the server behind
    os._exit(ExitCode.INTERRUPTED)
