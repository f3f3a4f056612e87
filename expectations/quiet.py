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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx
    # it tells everybody about a folder for docs that nobody asked for
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    return gx
