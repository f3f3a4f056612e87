"""What people see: progress on stderr while it runs, a short result at the end."""

from threading import Lock
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from earwitness.errors import printable
from earwitness.money.prices import MICRO, dollars
from earwitness.result import Estimate, Outcome, RunResult


class ProgressDisplay:
    """A bar a stage, with its share and the time left; plain lines where stderr is no terminal."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bars = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.fields[recording]}", style="dim", markup=False),
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TimeRemainingColumn(elapsed_when_finished=False),
            TextColumn("{task.fields[note]}", style="dim", markup=False),
            console=self._console,
            transient=False,
        )
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._guard = Lock()
        self._waiting: TaskID | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._forget_waiting()
        if self._console.is_terminal:
            self._bars.stop()

    def say(self, text: str) -> None:
        """Something that takes a while before the first stage starts."""
        if self._console.is_terminal:
            self._waiting = self._bars.add_task(text, total=None, recording="", note="")
        else:
            self._console.print(f"{text} ...", markup=False)

    def show(self, event: Any) -> None:
        """Take a `tasks.progress.StageEvent` (from any thread)."""
        with self._guard:
            self._forget_waiting()
            if not self._console.is_terminal:
                if event.kind == "ended":
                    self._console.print(f"{printable(event.recording)}: {event.stage} {event.note}", markup=False)
                return
            key = (event.recording, event.stage)
            if key not in self._tasks:
                self._tasks[key] = self._bars.add_task(
                    event.stage, total=1.0, recording=printable(event.recording), note=""
                )
            done = 1.0 if event.kind == "ended" and event.note in {"computed", "cached"} else event.share
            self._bars.update(self._tasks[key], completed=done, note=event.note)

    def _forget_waiting(self) -> None:
        if self._waiting is not None:
            self._bars.remove_task(self._waiting)
            self._waiting = None


_CHANGED = {
    "new": "new names",
    "back": "names back",
    "closed": "threads closed",
    "taken_up": "taken up",
    "opened": "opened or decided",
    "still_open": "still open",
}


def describe(result: RunResult) -> str:
    """A few lines for a person: what happened, what to mind, where to look."""
    lines = [f"{printable(result.source)}: {result.outcome.value}"]
    if result.error is not None:
        lines.append(f"  {result.error.message}")
        if result.error.remedy:
            lines.append(f"  → {result.error.remedy}")
    if result.estimate is not None:
        estimate = result.estimate
        lines.append(
            f"  about {_minutes(estimate.seconds)}, {estimate.storage_bytes / 1e6:.0f} MB, "
            f"{_price(estimate)} ({estimate.basis})"
        )
    if result.duration_s is not None and result.outcome in {Outcome.DONE, Outcome.PARTIAL}:
        people = ", ".join(result.names) or "unknown"
        lines.append(f"  {_minutes(result.duration_s)} of sound in {_minutes(result.seconds)}; speakers: {people}")
        engines = ", ".join(f"{stage} {name}" for stage, name in result.engines.items() if name != "ffmpeg")
        lines.append(f"  engines: {engines}; cost {_dollars(result.cost_usd)}")
    if result.changed is not None:
        told = ", ".join(f"{count} {_CHANGED[kind]}" for kind, count in result.changed.items() if count)
        lines.append(f"  since the recordings before it: {told or 'nothing new'}")
    lines += [f"  mind: {warning}" for warning in result.warnings]
    if result.bundle is not None:
        lines.append(f"  look at {result.bundle / 'report.html'}")
    return "\n".join(lines)


def _price(estimate: Estimate) -> str:
    if estimate.cost_low_usd == estimate.cost_high_usd:
        return _dollars(estimate.cost_usd)
    low, high = _dollars(estimate.cost_low_usd), _dollars(estimate.cost_high_usd)
    return f"{_dollars(estimate.cost_usd)}, from {low} to {high}"


def _dollars(amount: float) -> str:
    return dollars(round(amount * MICRO))


def _minutes(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours} h {rest // 60:02d} min" if hours else f"{rest // 60} min {rest % 60:02d} s"
