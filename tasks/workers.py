"""The Dask workers of a batch: found or started, looked over, given recordings, and stopped.

Prefect's `DaskTaskRunner` starts the cluster or connects to it, but recordings are handed to its client as plain calls,
not as tasks of the runner: those can't be given a priority, nor be stopped while they run, and when a worker dies, Dask
calls a task again under its old id, while the recording that it had begun stays "Running" on the server for ever.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.settings import get_current_settings

from earwitness import __version__
from earwitness.batch.choose import BatchOptions
from earwitness.errors import EngineCrashed, WorkersUnavailable
from earwitness.interrupt import Interruption, interrupt_once_more
from tasks.progress import StageEvent, tell

log = logging.getLogger(__name__)

_DASK_SAYS = logging.ERROR
"""Of what Dask says on this machine: it warns of each busy second."""
_CONNECT_S = 15.0
_LOOK_S = 1.0
_NO_WORKER_S = 60.0
"""How long a batch waits when all workers are gone: one that died is started again within seconds."""
_STOP_S = 4.0
"""For workers to end what they were told to; less than the command line waits before it leaves."""


@dataclass(frozen=True)
class Answer:
    """What came of one call."""

    key: str
    value: Any = None
    error: BaseException | None = None


class Workers:
    """Workers that are fit for the batch.

    Dask gets no more recordings than can be begun at once: of what it has, it gives each worker a share, and a worker
    that is done early takes from the end of another's.
    """

    def __init__(self, client: Any, where: str, resources: Mapping[str, float]) -> None:
        self._client = client
        self._where = where
        self._resources = resources
        self._waiting: deque[tuple[Callable[[Any], Any], Any, str]] = deque()
        self._keys: list[str] = []
        self._pending: dict[str, Any] = {}
        self._ended: SimpleQueue[Any] = SimpleQueue()
        self._alone_since: float | None = None

    def look_over(self, call: Callable[[Any], Any], batch: UUID) -> None:
        """See whether they can do the work.

        Raises:
            WorkersUnavailable: none is there, or one that can't.
        """
        with suppress(TimeoutError):
            self._client.wait_for_workers(1, timeout=_CONNECT_S)
        seen = self._seen()
        if not seen:
            raise WorkersUnavailable(
                f"{self._where} has no workers.",
                f"Start some: dask worker {self._client.scheduler.address} --nworkers 1 --nthreads 1 "
                "(docs/production.md).",
            )
        if not any(map(self._slots, seen)):
            asked = ",".join(f"{name}={amount:g}" for name, amount in self._resources.items())
            raise WorkersUnavailable(
                f"{self._where} has no worker that offers {asked}, which batch.resources asks for.",
                f"Start some with --resources {asked!r}, or leave batch.resources out.",
            )
        for worker, found in self._client.run(_roll_call(call, str(batch)), on_error="return").items():
            if isinstance(found, BaseException):
                found = f"it can't be asked ({type(found).__name__}: {found})"
            if found:
                raise WorkersUnavailable(
                    f"{self._where} has a worker that can't be used, {worker}: {found}.",
                    "Each needs this version of Earwitness and the same Prefect server (docs/production.md).",
                )

    def hand_over(self, call: Callable[[Any], Any], job: Any, key: str) -> None:
        """Have a worker make `call(job)`; what is handed over first is begun first."""
        self._waiting.append((call, job, key))
        self._keys.append(key)
        self._fill()

    def answers(self) -> Iterator[Answer]:
        """What comes back, as it does."""
        while self._pending or self._waiting:
            with suppress(Empty):
                future = self._ended.get(timeout=_LOOK_S)
                if self._pending.pop(future.key, None) is not None:
                    yield self._answer(future)
            interrupt_once_more()
            if error := self._nobody_is_there():
                given_up = [*self._pending, *(key for _, _, key in self._waiting)]
                self._waiting.clear()
                self._pending.clear()
                yield from (Answer(key, error=error) for key in given_up)
            self._fill()

    def _fill(self) -> None:
        """Give Dask what it can begin, if the scheduler can be asked."""
        with suppress(OSError, TimeoutError):
            slots = sum(map(self._slots, self._seen())) if self._waiting else 0
            while self._waiting and len(self._pending) < slots:
                call, job, key = self._waiting.popleft()
                future = self._client.submit(call, job, key=key, resources=dict(self._resources) or None, pure=False)
                self._pending[future.key] = future
                future.add_done_callback(self._ended.put)

    def _seen(self) -> list[Mapping[str, Any]]:
        return list(self._client.scheduler_info(n_workers=-1)["workers"].values())

    def _slots(self, worker: Mapping[str, Any]) -> int:
        """How many recordings a worker can process at the same time."""
        offers = [int(worker["resources"].get(name, 0) // least) for name, least in self._resources.items()]
        return min([int(worker["nthreads"]), *offers])

    def stop(self) -> None:
        """End what they work on, and wait a little until Prefect's server knows.

        Dask has no way to stop a call that runs: the plugin on each worker does when the call is cancelled.
        """
        from tasks.on_worker import still_at_work

        deadline = time.monotonic() + _STOP_S
        with suppress(Exception):  # the scheduler may be gone, which may be why we stop
            self._client.cancel(list(self._pending.values()))
            while any(self._client.run(still_at_work, self._keys).values()) and time.monotonic() < deadline:
                time.sleep(0.2)

    def _answer(self, future: Any) -> Answer:
        from distributed import KilledWorker

        key: str = future.key
        if future.status == "error":
            error = future.exception(timeout=_CONNECT_S)
            if not isinstance(error, KilledWorker):
                return Answer(key, error=error)
            crash = EngineCrashed(
                f"Each worker that processed it died, {error.allowed_failures + 1} of them.",
                "See the logs of the workers; try the recording by hand on such a machine: earwitness run.",
            )
            return Answer(key, error=crash)
        if future.status == "finished":
            with suppress(OSError, TimeoutError):
                return Answer(key, value=future.result(timeout=_CONNECT_S))
        return Answer(key, error=self._lost())

    def _lost(self, why: str = "The connection to {} was lost.") -> WorkersUnavailable:
        where = f"{self._where[0].lower()}{self._where[1:]}" if why[0] != "{" else self._where
        return WorkersUnavailable(
            why.format(where), "Start the scheduler and workers again, then the batch: finished stages are kept."
        )

    def _nobody_is_there(self) -> WorkersUnavailable | None:
        """Why there is no use in waiting any longer."""
        if self._client.status in ("closing", "closed"):
            return self._lost()
        try:
            if self._client.status != "running" or self._seen():  # or it is connecting anew, for a while
                self._alone_since = None
                return None
        except (OSError, TimeoutError):
            return None
        self._alone_since = self._alone_since or time.monotonic()
        if time.monotonic() - self._alone_since < _NO_WORKER_S:
            return None
        return self._lost(f"{{}} has had no workers for {_NO_WORKER_S:.0f} s.")


def current_run() -> UUID:
    """Of the flow that calls this."""
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    return context.flow_run.id


@contextmanager
def dask_workers(call: Callable[[Any], Any], want: BatchOptions, batch: UUID) -> Iterator[Workers]:
    """The workers that `want.workers` names. Whatever stops the block, stops the recordings that they work on.

    Args:
        call: what they will be asked to do.
        want: which workers, and what of theirs a recording takes.
        batch: the flow run that they work for.

    Raises:
        WorkersUnavailable: they can't be reached, or can't be used, and why.
    """
    try:
        from distributed import LocalCluster
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError as error:
        raise WorkersUnavailable(
            f"batch.workers is {want.workers}, and Dask is not installed ({error.name}).",
            "Run: pip install 'earwitness[dask]'. Or leave batch.workers out: then this process does the work.",
        ) from error
    from tasks.on_worker import EVENTS, Stopper

    levels: dict[str, int] = {}
    if want.workers.startswith("dask"):
        where = "Dask on this machine"
        levels = {name: logging.getLogger(name).getEffectiveLevel() for name in ("earwitness", "tasks")}
        logging.getLogger("distributed").setLevel(_DASK_SAYS)
        runner = DaskTaskRunner(cluster_class=LocalCluster, cluster_kwargs=_local(want))
    else:
        where = f"The Dask scheduler {want.workers}"
        runner = DaskTaskRunner(address=want.workers, client_kwargs={"timeout": _CONNECT_S})
    with runner:
        try:
            client = runner.client
        except (OSError, TimeoutError, RuntimeError, ValueError) as error:
            raise WorkersUnavailable(
                f"{where} does not answer ({str(error).splitlines()[0]}).",
                "Start it (dask scheduler), or mend its address in batch.workers.",
            ) from error
        workers = Workers(client, where, want.resources)
        workers.look_over(call, batch)
        client.register_plugin(Stopper(levels, of_batch=bool(levels)))
        client.subscribe_topic(  # type: ignore[no-untyped-call]
            EVENTS.format(batch), lambda event: tell(StageEvent(**event[1]["event"]))
        )
        try:
            yield workers
        except BaseException as error:
            if not isinstance(error, Exception):
                Interruption().happen()  # programs that must end then are told
            workers.stop()
            raise


def _local(want: BatchOptions) -> dict[str, Any]:
    """Worker processes that use our server, our settings, and together no more threads than there are processors."""
    from loky import cpu_count

    _, _, count = want.workers.partition(":")
    workers = int(count) if count else max(2, want.at_once)
    with get_client(sync_client=True) as client:
        server = str(client.api_url)  # where none is set, that inside this process
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, cpu_count() // workers))
    return {
        "n_workers": workers,
        "threads_per_worker": 1,
        "host": "127.0.0.1",
        "dashboard_address": "127.0.0.1:0",  # None is port 8787, and a warning where that is taken
        "memory_limit": 0,  # Dask does not see the memory of our engines, which have limits of their own
        "resources": want.resources or None,
        "silence_logs": _DASK_SAYS,
        "env": {
            **settings,
            "PREFECT_API_URL": server,
            "OMP_NUM_THREADS": threads,
            "DASK_LOGGING__DISTRIBUTED": logging.getLevelName(_DASK_SAYS),
        },
    }


def _roll_call(call: Callable[[Any], Any], batch: str) -> Callable[[], str]:
    """What each worker is asked: why it can't be used, if it can't."""
    version, module = __version__, call.__module__

    def why_not() -> str:  # sent by value: on another version there may be nothing of that name
        try:
            from importlib import import_module

            found = import_module("earwitness").__version__
            if found != version:
                return f"it has Earwitness {found}, and this is {version}"
            import_module(module)  # takes seconds: not while a recording waits
            answer: str = import_module("tasks.on_worker").why_another_server(batch)
        except ImportError as error:
            return f"it has no Earwitness {version} ({error})"
        return answer

    return why_not
