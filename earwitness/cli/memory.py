"""`earwitness memory`: what is remembered from one recording to the next."""

import json

import click


@click.group()
def memory() -> None:
    """See, correct and erase what campaigns, shows and collections remember (docs/notes.md).

    A run belongs to one with --set memory.scope=NAME.
    """


@memory.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object each on stdout.")
def list_(as_json: bool) -> None:
    """List what remembers anything, and its recordings in their order."""
    from earwitness.memory.kept import all_kept

    found = all_kept()
    for kept in found:
        rows = [
            {"number": r.number, **r.source.model_dump(exclude={"digest"}), "remembered": r.facts is not None}
            for r in kept.in_order
        ]
        if as_json:
            click.echo(json.dumps({"scope": kept.scope, "recordings": rows}, ensure_ascii=False))
            continue
        click.echo(kept.scope)
        for row in rows:
            state = "" if row["remembered"] else "  (begun; nothing is remembered yet)"
            click.echo(f"  {row['number']}  {row['name']}  {row['recording_id']}{state}")
    if not found and not as_json:
        click.echo("Nothing is remembered.", err=True)


@memory.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def show(name: str, as_json: bool) -> None:
    """Show what NAME remembers: names, open threads, and what became of others."""
    from earwitness.memory.kept import kept_of, whole_memory
    from earwitness.memory.telling import moment_text

    found = whole_memory(kept_of(name))
    if as_json:
        click.echo(found.model_dump_json())
        return
    click.echo(f"{found.scope}: {len(found.recordings)} recordings")
    for title, threads in (
        ("Open", found.open_threads),
        ("Closed", [thread for thread in found.threads if thread.closed]),
        ("Decided", [thread for thread in found.threads if thread.kind == "decision"]),
    ):
        if threads:
            click.echo(f"\n{title}:")
        for thread in threads:
            closed = f", closed in {moment_text(thread.closed)}" if thread.closed else ""
            click.echo(f"  {thread.id}  {thread.text} ({moment_text(thread.opened)}{closed})")
    if found.entities:
        click.echo("\nNames:")
    for entity in sorted(found.entities, key=lambda item: (-item.recordings, -item.times, item.name)):
        kind = "" if entity.kind == "name" else f" ({entity.kind})"
        also = f", also written {', '.join(entity.also)}" if entity.also else ""
        count = f"{entity.recordings} recording{'' if entity.recordings == 1 else 's'}"
        click.echo(f"  {entity.name}{kind}: {count}, last in {moment_text(entity.last)}{also}")


@memory.command()
@click.argument("name")
@click.option("--recording", metavar="NAME", help="Only what this recording told: its name or its id.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def forget(name: str, recording: str | None, as_json: bool) -> None:
    """Erase what NAME remembers, or what one of its recordings told. Bundles are not touched."""
    from earwitness.memory.kept import forget as erase

    gone = erase(name, recording)
    if as_json:
        click.echo(json.dumps({"scope": name, "recordings": [item.source.recording_id for item in gone]}))
        return
    click.echo(f"{name}: forgot {', '.join(item.source.name for item in gone) or 'nothing'}")
    click.echo("Bundles that say what changed since then still say it: run those recordings again to be rid of that.")


@memory.command()
@click.argument("name")
@click.argument("thread")
def settle(name: str, thread: str) -> None:
    """In what NAME remembers, call THREAD (its id, as show has it) settled: it is not told of any more."""
    from earwitness.memory.kept import settle as call_settled

    click.echo(f"{name}: settled: {call_settled(name, thread).text}")


@memory.command()
@click.argument("name")
@click.argument("old")
@click.argument("new")
def rename(name: str, old: str, new: str) -> None:
    """In what NAME remembers, write OLD as NEW from now on: a name that was misheard. Two names can become one."""
    from earwitness.memory.kept import rename as write_anew

    write_anew(name, old, new)
    click.echo(f"{name}: {old} is written {new} from the next run on")
