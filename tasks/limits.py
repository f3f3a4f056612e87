"""Global limits: how many of a heavy stage run at a time on one Prefect server, on whichever machine they run."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.client.schemas.responses import ConcurrencyLimitWithLeaseResponse

# Prefect's `concurrency` can't be interrupted while it waits, fails the work where it can't give the slot back, and
# logs an error each time that a slot is not free.
from prefect.concurrency._leases import maintain_concurrency_lease

# Of the deployment that started this run, or the run that this one is a part of. Prefect's public door to it
# (prefect.runtime.deployment.id) asks the server each time where there is none.
from prefect.context import SettingsContext, _deployment_id, get_settings_context
from prefect.exceptions import ObjectAlreadyExists
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, Settings

from earwitness.errors import ServerUnavailable
from earwitness.interrupt import stop_if_interrupted
from earwitness.local_service.service import LIMIT_PREFIX

log = logging.getLogger(__name__)

HEAVY = ("diarize", "transcribe", "align", "clip")
"""Stages that keep all cores, or the GPU, busy for minutes."""

_LEASE_S = 120.0
"""A slot whose holder was killed comes back after so long; shorter ones are lost while a busy server stalls."""
_LOOK_S = 2.0
"""Between two questions for a slot."""
_SOON_S = 0.1
"""Before the first question after one that a busy server did not answer; doubles each time."""
_TICK_S = 0.2
_AWAY_S = 600.0
"""How long a server that does not answer is waited for."""
_TAKEN, _TOO_SMALL, _FOR_GOOD = 423, 422, (401, 403, 404)


def limit_of(stage: str) -> str:
    """The name of a stage's limit on the server."""
    return f"{LIMIT_PREFIX}{stage}"


def make_limits(client: SyncPrefectClient, at_once: int) -> None:
    """Make the limits that are not there yet; people may have changed the others."""
    for stage in HEAVY:
        try:
            client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=limit_of(stage), limit=at_once))
        except ObjectAlreadyExists:
            log.debug("%s is there", limit_of(stage))


@contextmanager
def as_part_of(deployment: UUID | None) -> Iterator[None]:
    """A block that works for a run of this deployment, or of none, which another process runs."""
    token = _deployment_id.set(deployment)
    try:
        yield
    finally:
        _deployment_id.reset(token)


@contextmanager
def slot_for(stage: str) -> Iterator[None]:
    """A block that does the work of a heavy stage, when its turn has come.

    Runs that belong to a deployment wait for a slot of the stage's limit; all others, and light stages, begin at once
    and ask nobody. Once work has begun nothing that happens to the slot ends it: a slot that the server has forgotten
    may be taken by another run in the meantime.

    Raises:
        ServerUnavailable: the server does not have the limit, or can't be reached for 10 minutes.
        Interrupted: the run was interrupted while it waited.
    """
    if stage not in HEAVY or _deployment_id.get() is None:
        yield
        return
    lease = _wait_for(limit_of(stage))
    try:
        with maintain_concurrency_lease(lease, _LEASE_S, raise_on_lease_renewal_failure=False):
            yield
    finally:
        _give_back(stage, lease)


def _wait_for(limit: str) -> UUID:
    told, away_since, busy = False, None, 0
    with _one_try(), get_client(sync_client=True) as client:
        while True:
            stop_if_interrupted()
            try:
                answer = client.increment_concurrency_slots_with_lease([limit], 1, "concurrency", _LEASE_S)
            except httpx.HTTPError as error:
                status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else 503
                if status in (_TAKEN, _TOO_SMALL):
                    away_since, busy = None, 0
                    if not told:
                        log.info("waits for a free slot of the limit %s", limit)
                        told = True
                else:
                    busy += 1
                    away_since = away_since or time.monotonic()
                    if status in _FOR_GOOD or time.monotonic() - away_since > _AWAY_S:
                        raise _refused(limit, error) from error
            else:
                granted = ConcurrencyLimitWithLeaseResponse.model_validate(answer.json())
                if not granted.limits:
                    raise _no_limit(limit)
                return granted.lease_id
            _pause(min(_LOOK_S, _SOON_S * 2 ** (busy - 1)) if busy else _LOOK_S)


@contextmanager
def _one_try() -> Iterator[None]:
    """A block in which the client of Prefect does not try again by itself: nothing can interrupt that."""
    now = get_settings_context()
    with SettingsContext(profile=now.profile, settings=_with_one_try(now.settings)):
        yield


def _with_one_try(settings: Settings) -> Settings:
    # Prefect takes 40 ms of a core for it, and a recording waits for four slots
    global _changed
    before, after = _changed or (None, settings)
    if before is not settings:
        after = settings.copy_with_update({PREFECT_CLIENT_MAX_RETRIES: 0})
        _changed = settings, after
    return after


_changed: tuple[Settings, Settings] | None = None
"""The settings as they were, and as they are for one try."""


def _give_back(stage: str, lease: UUID) -> None:
    try:
        with get_client(sync_client=True) as client:
            client.release_concurrency_slots_with_lease(lease)
    except httpx.HTTPError as error:  # the work is done, whatever the server says
        log.warning("%s: the slot could not be given back, and comes back by itself: %s", stage, error)


def _pause(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        stop_if_interrupted()
        time.sleep(_TICK_S)


def _no_limit(limit: str) -> ServerUnavailable:
    return ServerUnavailable(
        f"The Prefect server has no concurrency limit {limit}, which runs of a deployment need.",
        "Make it: earwitness up, or python -m deployments; or by hand: "
        f"prefect gcl create {limit} --limit 2. Finished stages are kept.",
    )


def _refused(limit: str, error: httpx.HTTPError) -> ServerUnavailable:
    why = f"{type(error).__name__}: {error}".splitlines()[0].removesuffix(".")
    return ServerUnavailable(
        f"The Prefect server gives no slot of the concurrency limit {limit} ({why}).",
        "Look at the server and its log. Finished stages are kept.",
    )
