"""Importing the speech libraries without their side effects.

Silero sets torch to one thread, whisperX reconfigures logging, pyannote reports metrics. None of these libraries is
imported at module level anywhere in Earwitness: they take seconds, and `earwitness --help` must not.
"""

import importlib
import logging
import os
import warnings
from types import ModuleType


def import_speech_library(name: str) -> ModuleType:
    """Import `name` (e.g. `whisperx`, `silero_vad`, `pyannote.audio`), then undo what it did to the process.

    Telemetry is switched off, torch's thread count and the loggers are restored, import-time warnings are dropped.
    """
    os.environ.setdefault("PYANNOTE_METRICS_ENABLED", "0")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import torch

    whisperx_logger = logging.getLogger("whisperx")
    if not whisperx_logger.handlers:
        # with a handler in place whisperX leaves its logger alone; its own would write to stdout
        whisperx_logger.addHandler(logging.NullHandler())
    threads = torch.get_num_threads()
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    finally:
        torch.set_num_threads(threads)
        root.setLevel(level)
        root.handlers[:] = handlers
