"""Prefect's server as a thing that can fail: what is raised then speaks to users."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL

from earwitness.errors import ServerUnavailable

_UNREACHED = ("Failed to reach API", "Timed out while attempting to connect to ephemeral Prefect API server")
"""How Prefect's plain RuntimeErrors begin."""


@contextmanager
def needing_the_server() -> Iterator[None]:
    """A block that runs a flow.

    Raises:
        ServerUnavailable: the server can't be reached, went away, or answers with errors.
    """
    try:
        yield
    except httpx.HTTPError as error:
        raise _unavailable(f"{type(error).__name__}: {error}".splitlines()[0]) from error
    except ObjectNotFound as error:  # its database was replaced, or the run was deleted, while we were at work
        raise _unavailable("it no longer knows this run") from error
    except RuntimeError as error:
        if not str(error).startswith(_UNREACHED):
            raise
        raise _unavailable("it can't be reached") from error


def _unavailable(why: str) -> ServerUnavailable:
    address = PREFECT_API_URL.value()
    if address:
        return ServerUnavailable(
            f"The Prefect server at {address} can't be used ({why.removesuffix('.')}).",
            "Start it (prefect server start) or mend it, or unset PREFECT_API_URL to run without one. Finished stages "
            "are kept.",
        )
    return ServerUnavailable(
        f"Prefect's server inside this process can't be used ({why.removesuffix('.')}).",
        "Try again. If it stays so, point PREFECT_HOME at a writable folder on a local disk. Finished stages are kept.",
    )
