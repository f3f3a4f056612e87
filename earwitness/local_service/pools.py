"""Do the work pools of a Prefect server serve what is handed over to them? Asked without importing Prefect."""

import json
import os
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from earwitness.local_service.service import LIMIT_PREFIX, UPKEEP_POOL, WORK_POOL
from earwitness.preflight import Check

_ANSWER_S = 3.0
_START = "Start one: earwitness up, or prefect worker start --pool {}."
_IN_THE_UI = "Resume it in Prefect's UI, or find out who paused it."


def check_pools(address: str) -> Iterator[Check]:
    """As `check_machine` does it: pools, workers, queues, limits of stages; one line where nothing is deployed.

    Args:
        address: of the API, such as http://127.0.0.1:4200/api; the key of `PREFECT_API_AUTH_STRING` or
            `PREFECT_API_KEY` is used where there is one.
    """
    try:
        deployed = [*_pool(address, WORK_POOL), *_pool(address, UPKEEP_POOL)]
        yield from deployed
        if len(deployed) > 1:
            yield _limits(address)
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        yield Check(name="work pools", state="warn", found=f"can't be asked for ({reason})", remedy="See its log.")


def _pool(address: str, name: str) -> Iterator[Check]:
    what = f"work pool {name}"
    try:
        pool = _ask(f"{address}/work_pools/{name}")
    except HTTPError as error:
        if error.code != 404:
            raise
        if name == WORK_POOL:
            found = "not there: this server has no deployments of ours"
            yield Check(name=what, state="ok", found=found, remedy="")
        return
    workers = _ask(f"{address}/work_pools/{name}/workers/filter", {})
    queues = _ask(f"{address}/work_pools/{name}/queues/filter", {})
    online = sum(worker["status"] == "ONLINE" for worker in workers)
    paused = sorted(queue["name"] for queue in queues if queue["is_paused"])
    shut = sorted(queue["name"] for queue in queues if queue["concurrency_limit"] == 0)
    limit = pool["concurrency_limit"]
    problem, remedy = "", ""
    if pool["is_paused"]:
        problem, remedy = "it is paused", _IN_THE_UI
    elif limit == 0:
        problem, remedy = "its limit is 0: no run can start", f"Raise it: prefect work-pool update {name} ..."
    elif not online:
        problem, remedy = "no worker serves it", _START.format(name)
    elif paused or shut:
        problem, remedy = f"queues let nothing through: {', '.join([*paused, *shut])}", _IN_THE_UI
    at_once = "" if limit is None else f", {limit} runs at a time"
    yield Check(
        name=what,
        state="warn" if problem else "ok",
        found=problem or f"{online} {'worker' if online == 1 else 'workers'}{at_once}",
        remedy=remedy,
    )


def _limits(address: str) -> Check:
    limits = {
        limit["name"]: limit
        for limit in _ask(f"{address}/v2/concurrency_limits/filter", {})
        if limit["name"].startswith(LIMIT_PREFIX)
    }
    shut = sorted(name for name, limit in limits.items() if limit["active"] and not limit["limit"])
    problem, remedy = "", ""
    if not limits:
        problem, remedy = "none: runs of deployments will fail", "Make them: earwitness up, or python -m deployments."
    elif shut:
        problem, remedy = f"no slots: {', '.join(shut)}", f"Raise it: prefect gcl update {shut[0]} --limit 2."
    said = ", ".join(f"{name.removeprefix(LIMIT_PREFIX)} {limit['limit']}" for name, limit in sorted(limits.items()))
    return Check(name="limits of stages", state="warn" if problem else "ok", found=problem or said, remedy=remedy)


def _ask(url: str, body: Mapping[str, Any] | None = None) -> Any:
    headers = {"Content-Type": "application/json"}
    if login := os.environ.get("PREFECT_API_AUTH_STRING"):
        headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
    elif key := os.environ.get("PREFECT_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = Request(url, None if body is None else json.dumps(body).encode(), headers)
    with urlopen(request, timeout=_ANSWER_S) as answer:
        return json.load(answer)
