"""What people are told, in words that need no knowledge of how Earwitness is built."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import Field, field_validator

from earwitness.errors import ExitCode
from earwitness.result import Outcome, RunResult
from earwitness.schema import Record, digest_of

_MOST_LISTED = 10
_LONGEST = 1500


class Severity(StrEnum):
    """How soon somebody should look."""

    INFO = "info"
    """Good to know."""
    WARNING = "warning"
    """Nothing is lost; look at it today."""
    ERROR = "error"
    """Work has stopped until somebody does something."""


class Alert(Record):
    """One thing that a person should know."""

    code: str = Field(pattern=r"^[a-z][a-z-]*$", description="what kind of thing it is, for programs")
    severity: Severity
    title: str = Field(description="one line")
    what: str = Field(description="what happened")
    remedy: str = Field(description="what to do now")
    recording: str | None = Field(default=None, description="name of the recording it is about")
    bundle: str | None = Field(default=None, description="folder of its results, if there is one")
    run_url: str | None = Field(default=None, description="the run in Prefect's UI")
    key: str = Field(default="", description="alerts with the same code and key are the same trouble")

    @field_validator("title")
    @classmethod
    def _one_line(cls, value: str) -> str:
        return _shorten(" ".join(value.split()), 200)

    @field_validator("what", "remedy")
    @classmethod
    def _of_bearable_length(cls, value: str) -> str:
        return _shorten(_without_controls(value), _LONGEST)

    @property
    def fingerprint(self) -> str:
        """The same for two alerts about the same trouble."""
        return digest_of([self.code, self.key])[:16]

    def text(self, more: int = 0) -> str:
        """Plain text for people.

        Args:
            more: how many like it were held back since the last message.
        """
        lines = [self.what, "", f"What to do: {self.remedy}"]
        facts = {"Recording": self.recording, "Results": self.bundle, "Run": self.run_url}
        lines += [f"{name}: {value}" for name, value in facts.items() if value]
        if more:
            lines.append(f"And {more} more like this since the last message.")
        return _without_controls("\n".join(lines))


@dataclass(frozen=True)
class Message:
    """An alert on its way."""

    alert: Alert
    more: int
    """How many like it were held back since the last message."""
    at: float
    """When it was first raised, seconds since 1970; the same for every attempt."""

    @property
    def id(self) -> str:
        """The same for every attempt to send it."""
        return f"{self.alert.fingerprint}-{int(self.at)}"

    @property
    def text(self) -> str:
        """What it says below its title."""
        return self.alert.text(self.more)


def _shorten(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _without_controls(text: str) -> str:
    """File names may hold anything; messages may not."""
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f]", " ", text)


_STOPPED = {
    ExitCode.STORAGE: "Recordings can't be processed: no place to write",
    ExitCode.BUDGET: "Recordings can't be processed: the budget is used up",
    ExitCode.UNAVAILABLE: "Recordings can't be processed: an engine or service is not available",
    ExitCode.BUG: "Earwitness failed in a way that it should not",
}


def failed_run(
    result: RunResult, *, unattended: bool, in_batch: bool = False, run_url: str | None = None
) -> Alert | None:
    """What to say about the end of a run; None where nobody has to do anything.

    Troubles that will stop other recordings too (storage, engines, budget, a bug) are always told, once for all of
    them. A bad recording is told only where nobody looks at the result: not at the command line, and not in a batch,
    which ends with one summary.

    Args:
        result: how the run ended.
        unattended: nobody sees the result, since a schedule or another program started the run.
        in_batch: the run is one of many.
        run_url: the run in Prefect's UI.
    """
    if result.error is None or result.outcome not in {Outcome.FAILED, Outcome.PARTIAL}:
        return None
    name = Path(result.source).name
    error, partial = result.error, result.outcome is Outcome.PARTIAL
    stops_others = not partial and error.exit_code in _STOPPED
    if not stops_others and (in_batch or not unattended):
        return None
    if stops_others:
        title = _STOPPED[ExitCode(error.exit_code)]
    else:
        title = f"{name}: only part of the result was made" if partial else f"{name} could not be processed"
    return Alert(
        code="partial-result" if partial else f"failed-{error.code}",
        severity=Severity.WARNING if partial else Severity.ERROR,
        title=title,
        what=f"{name}: {error.message}",
        remedy=error.remedy or "Look at the run, and start it again when the cause is gone: finished stages are kept.",
        recording=name,
        bundle=str(result.bundle) if result.bundle else None,
        run_url=run_url,
        key=error.code if stops_others else str(result.recording_id or result.source),
    )


def failed_batch(results: Sequence[RunResult], *, batch: str, run_url: str | None = None) -> Alert | None:
    """One summary of the recordings of a batch that need a look; None if all is well.

    Args:
        results: of all recordings.
        batch: what tells this batch from others.
        run_url: the batch in Prefect's UI.
    """
    poor = [result for result in results if result.outcome in {Outcome.FAILED, Outcome.PARTIAL, Outcome.QUARANTINED}]
    if not poor:
        return None
    failed = sum(result.outcome is not Outcome.PARTIAL for result in poor)
    lines = [
        f"- {Path(result.source).name}: {result.outcome.value}. {result.error.message if result.error else ''}".strip()
        for result in poor[:_MOST_LISTED]
    ]
    if len(poor) > _MOST_LISTED:
        lines.append(f"- and {len(poor) - _MOST_LISTED} more")
    counts = [f"{failed} failed"] * bool(failed) + [f"{len(poor) - failed} partial"] * (len(poor) > failed)
    return Alert(
        code="batch",
        severity=Severity.ERROR if failed else Severity.WARNING,
        title=f"Batch: {' and '.join(counts)} of {len(results)} recordings",
        what="\n".join(lines),
        remedy="Look at each, replace or repair it, and start the batch again: what is finished is not done twice.",
        run_url=run_url,
        key=batch,
    )


def bug(error: BaseException, *, flow: str, run_url: str | None = None) -> Alert:
    """A run ended with an error that nobody foresaw."""
    return Alert(
        code="bug",
        severity=Severity.ERROR,
        title="Earwitness failed in a way that it should not",
        what=f"The run ({flow}) ended with {type(error).__name__}: {error}",
        remedy="Look at the run's log, and report it with that log. Finished stages are kept.",
        run_url=run_url,
        key=f"{type(error).__name__}: {str(error)[:200]}",
    )


def run_crashed(*, flow: str, run: str, message: str, run_url: str | None = None) -> Alert:
    """The process of a run was told to stop while it worked."""
    return Alert(
        code="run-crashed",
        severity=Severity.ERROR,
        title="A run was stopped before it was done",
        what=f"The run ({flow}) was stopped from outside: {message or 'no reason was given'}",
        remedy="Start it again, unless somebody stopped it on purpose: finished stages are kept.",
        run_url=run_url,
        key=run,
    )


def runs_reaped(
    killed: Sequence[str], *, resumed: int, given_up: int, runs: Sequence[str], run_url: str | None = None
) -> Alert:
    """Runs whose process was killed, and what was done about it.

    Args:
        killed: one line a run, for people.
        resumed: how many of them were started again.
        given_up: how many were killed so often that they were not.
        runs: ids of the runs.
        run_url: the run in Prefect's UI, where there is only one.
    """
    many = len(killed)
    remedy = "Nothing, unless it happens again." if resumed == many else "Start again what was not started again."
    if given_up:
        remedy = (
            "Find out what kills them (most often: too little memory; try a smaller transcribe.model or batch_size), "
            "then start them again: finished stages are kept."
        )
    lines = [f"- {line}" for line in killed[:_MOST_LISTED]]
    if many > _MOST_LISTED:
        lines.append(f"- and {many - _MOST_LISTED} more")
    return Alert(
        code="run-reaped",
        severity=Severity.WARNING if resumed == many else Severity.ERROR,
        title="A run was killed" if many == 1 else f"{many} runs were killed",
        what="\n".join(["The process of these runs is gone, without a word:", *lines]),
        remedy=remedy,
        run_url=run_url,
        key=" ".join(sorted(runs)),
    )


def corruption_found(what: str, *, where: str, run_url: str | None = None) -> Alert:
    """Stored bytes are not what they were."""
    return Alert(
        code="corruption",
        severity=Severity.WARNING,
        title="A stored file was damaged",
        what=f"{what} Its digest was checked before use; the damaged copy was not used, and is computed again.",
        remedy="Once: nothing. Again and again: check the disk and the memory of this machine, and your backups.",
        run_url=run_url,
        key=where,
    )


def storage_low(*, where: str, free_bytes: int, needed_bytes: int | None = None) -> Alert:
    """Little room is left."""
    need = f"; about {needed_bytes / 1e9:.1f} GB are needed" if needed_bytes else ""
    return Alert(
        code="storage-low",
        severity=Severity.ERROR if needed_bytes and free_bytes < needed_bytes else Severity.WARNING,
        title="The disk is almost full",
        what=f"{free_bytes / 1e9:.1f} GB are free at {where}{need}.",
        remedy="Free some space: `earwitness clean` removes finished stages that are no longer needed.",
        key=where,
    )


def breaker_open(service: str, *, failures: int, retry_s: float, message: str = "") -> Alert:
    """A service failed so often that it is left alone for a while."""
    return Alert(
        code="breaker-open",
        severity=Severity.WARNING,
        title=f"{service} does not answer",
        what=f"{service} failed {failures} times in a row. It is left alone for {retry_s:.0f} s. {message}".strip(),
        remedy=f"Check the status page of {service}, its key and its limits. Runs go on by themselves afterwards.",
        key=service,
    )


def budget_near(where: str, text: str) -> Alert:
    """Most of a budget is spent."""
    return Alert(
        code="budget-near",
        severity=Severity.WARNING,
        title="A budget is nearly used up",
        what=text,
        remedy=f"Look at `earwitness costs`; raise {where} before it is reached, or say how to go on: "
        "budget.at_limit=downgrade.",
        key=where,
    )


def rehearsal(machine: str) -> Alert:
    """What `earwitness alerts test` sends."""
    return Alert(
        code="test",
        severity=Severity.INFO,
        title="Earwitness can reach you",
        what=f"This is a test of the alerts of Earwitness on {machine}.",
        remedy="Nothing: it works.",
    )
