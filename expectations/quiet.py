"""Importing Great Expectations: late, once, without telemetry and without noise."""

import logging
import os
import warnings
from types import ModuleType


def great_expectations() -> ModuleType:
    """The library, imported on first use (it takes 6 s or more) with its analytics off.

    Some of its versions read the switch while they are imported, so it is set before.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx
        from great_expectations.data_context.types import base
    # This module sets a level of its own when it is imported, to tell of a folder for docs that nobody asked for.
    logging.getLogger(base.__name__).setLevel(logging.WARNING)
    return gx
