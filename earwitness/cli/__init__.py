"""The command line. Results go to stdout, everything else to stderr; exit codes are `earwitness.errors.ExitCode`."""

import importlib
import signal
import sys
from collections.abc import Mapping
from typing import Any

import click

from earwitness import __version__
from earwitness.errors import EarwitnessError, ExitCode
from earwitness.interrupt import interrupt

_COMMANDS: Mapping[str, str] = {
    "run": "Process recordings: who said what and when, notes, clips, a bundle.",
    "up": "Start server, workers and watcher of this machine.",
    "down": "Stop them.",
    "status": "Show what runs, and the drop folder.",
    "watch": "Process what is dropped into a folder.",
    "fix": "Correct names and words of a bundle; the corrections carry forward.",
    "clips": "List, rate, redo, extend and trim the clips of a bundle.",
    "export": "Write a transcript for other tools: subtitles, Praat, ELAN, scoring.",
    "eval": "Score a bundle against a reference: who spoke when, what was said.",
    "voices": "Enrol voices, so that speakers are named by them; list and erase them.",
    "memory": "See, correct and erase what is remembered from one recording to the next.",
    "notes": "Write notes from a transcript alone.",
    "costs": "Show what paid services cost, and what is left of the budget.",
    "maintain": "Notice killed runs and see to them; look after the store.",
    "alerts": "Send a test alert: do they reach you?",
    "doctor": "Check that this machine has what Earwitness needs.",
    "storage": "Show what is kept where, verify it, and what could go.",
    "clean": "Remove what nothing needs any more.",
    "demo": "Process real and synthetic speech to see what comes out.",
}


class _LazyGroup(click.Group):
    """Imports a command only when it is called, so that --help answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"earwitness.cli.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done, 1 a bug, 2 usage, 3 bad recording, 4 engine or service unavailable, 5 budget, "
    "6 storage, 7 partial result, 130 interrupted.",
)
@click.version_option(__version__, prog_name="earwitness")
def cli() -> None:
    """Who said what and when, notes that cite their evidence, and clips, from recordings of people talking."""


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; the one place that turns errors into exit codes."""
    _end_at_signals()
    try:
        code = cli.main(arguments, prog_name="earwitness", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(_interrupted())
    except KeyboardInterrupt:
        sys.exit(_interrupted())
    except click.ClickException as error:
        error.show(sys.stderr)
        sys.exit(ExitCode.USAGE)
    except EarwitnessError as error:
        click.echo(f"earwitness: {error.message}", err=True)
        if error.remedy:
            click.echo(f"  {error.remedy}", err=True)
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else ExitCode.DONE)


def _end_at_signals() -> None:
    """SIGTERM ends a run as Ctrl-C does; Python's default would leave child processes behind."""
    signal.signal(signal.SIGTERM, interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell's background jobs have it ignored
        signal.signal(signal.SIGINT, interrupt)


def _interrupted() -> int:
    # a further signal must not break off the cleaning up: it is bounded, and kill -9 remains
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    click.echo("earwitness: interrupted; finished stages are kept and the next run goes on from there.", err=True)
    return int(ExitCode.INTERRUPTED)
