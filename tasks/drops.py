"""Dropped files and Prefect: the event that starts a run, and what became of it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events.schemas.events import Event, Resource

from earwitness.drops.folder import Drop, DropFolder
from earwitness.drops.watch import RunState
from tasks.server import needing_the_server

EVENT = "earwitness.recording.dropped"
FLOW = "drop"
_PAGE = 200
_STATES: dict[StateType, RunState] = {
    StateType.SCHEDULED: "waiting",
    StateType.PENDING: "waiting",
    StateType.PAUSED: "waiting",
    StateType.RUNNING: "running",
    StateType.CANCELLING: "running",
    StateType.CANCELLED: "cancelled",
}


class PrefectOffice:
    """Hands drops over by an event, which the deployment `drop` is triggered by (prefect.yaml)."""

    def hand_over(self, folder: DropFolder, drops: Sequence[Drop]) -> None:
        """Emit one event for all of them; the server has it when this returns.

        Raises:
            ServerUnavailable: it does not answer.
        """
        event = Event(
            event=EVENT,
            resource=Resource({"prefect.resource.id": f"earwitness.drop.{drops[0].ticket}"}),
            payload={
                "folder": str(folder.root),
                "name": _called(drops),
                "tickets": [drop.ticket for drop in drops],
                "sha256": [drop.sha256 for drop in drops],
            },
        )
        with needing_the_server(), get_client(sync_client=True) as client:
            # not emit_event: it hands over to a thread, and tells nobody when that can't reach the server
            client.request("POST", "/events", json=[event.model_dump(mode="json")]).raise_for_status()

    def runs(self, folder: DropFolder) -> Mapping[str, RunState]:
        """Ticket → its newest run, ended ones left out.

        Raises:
            ServerUnavailable: it does not answer.
        """
        found: dict[str, RunState] = {}
        with needing_the_server(), get_client(sync_client=True) as client:
            offset = 0
            while True:
                page = client.read_flow_runs(
                    flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW])),
                    flow_run_filter=FlowRunFilter(
                        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(_STATES)))
                    ),
                    sort=FlowRunSort.EXPECTED_START_TIME_DESC,
                    limit=_PAGE,
                    offset=offset,
                )
                for run in page:
                    for ticket in run.parameters.get("tickets", []):
                        if run.state is not None:
                            found.setdefault(ticket, _STATES[run.state.type])
                if len(page) < _PAGE:
                    return found
                offset += _PAGE


class OfficeHere:
    """Processes drops in this process, one after the other: where there is no Prefect server."""

    def __init__(self, process: Callable[[Path, list[str], str], object]) -> None:
        self._process = process

    def hand_over(self, folder: DropFolder, drops: Sequence[Drop]) -> None:
        """Process them; returns when that is done."""
        for drop in drops:
            folder.note_announced(drop)
        self._process(folder.root, [drop.ticket for drop in drops], _called(drops))

    def runs(self, folder: DropFolder) -> Mapping[str, RunState]:
        """None: what is not at work in this process is at work nowhere."""
        return {}


def _called(drops: Sequence[Drop]) -> str:
    """What a run of these drops is called."""
    more = f" and {len(drops) - 1} more" if len(drops) > 1 else ""
    return f"{drops[0].name}{more}"
