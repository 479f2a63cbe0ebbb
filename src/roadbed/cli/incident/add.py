"""`roadbed incident add`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from roadbed.cli.failures import told
from roadbed.cli.incident import telling
from roadbed.cli.incident.asking import completed, may_ask
from roadbed.cli.incident.options import OneRunbook
from roadbed.cli.incident.telling import plain, styled
from roadbed.cli.options import Debug, Json, Quiet
from roadbed.errors import RoadbedError

if TYPE_CHECKING:
    from roadbed.incidents.adding import Added
    from roadbed.incidents.entry import Entry
    from roadbed.incidents.given import Given

EXAMPLES = """\
\b
Examples:
  roadbed incident add orders
  roadbed incident add --edit --title 'Search timeouts' --tag search
"""


def add(
    path: OneRunbook = None,
    title: Annotated[str | None, typer.Option(help="In a few words.")] = None,
    date: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", show_default="today")] = None,
    what: Annotated[str | None, typer.Option(help="What people saw.")] = None,
    why: Annotated[str | None, typer.Option(help="What let it happen.")] = None,
    fix: Annotated[str | None, typer.Option(help="What ended it.")] = None,
    caught: Annotated[str | None, typer.Option(help="How you noticed.")] = None,
    prevention: Annotated[str | None, typer.Option(help="What catches it next time.")] = None,
    severity: Annotated[str | None, typer.Option(metavar="0..5", help="0 is the worst.")] = None,
    started: Annotated[
        str | None, typer.Option(metavar="TIME", help="14:02 (UTC, that day) or ISO 8601.")
    ] = None,
    detected: Annotated[str | None, typer.Option(metavar="TIME")] = None,
    resolved: Annotated[str | None, typer.Option(metavar="TIME")] = None,
    tags: Annotated[
        list[str] | None, typer.Option("--tag", metavar="WORD", help="Repeatable.")
    ] = None,
    links: Annotated[
        list[str] | None, typer.Option("--link", metavar="URL", help="Repeatable.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="FILE|-", help="JSON or Markdown; options win.")
    ] = None,
    edit: Annotated[bool, typer.Option("--edit", help="Write it in $VISUAL or $EDITOR.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the diff only.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Add an incident to a service's RUNBOOK.md. Asks on a terminal for what is missing."""
    options = {
        "title": title,
        "date": date,
        "what": what,
        "why": why,
        "fix": fix,
        "caught": caught,
        "prevention": prevention,
        "severity": severity,
        "started": started,
        "detected": detected,
        "resolved": resolved,
        "tags": tags,
        "links": links,
    }
    with told(debug=debug):
        from roadbed.incidents import adding, given, storage
        from roadbed.incidents.places import runbook_of

        runbook = runbook_of(path)
        if not dry_run:
            storage.require_writable(runbook)
        if edit and source == "-":
            raise RoadbedError("An editor can't share its input with --from -.", "Name a file.")
        known = _read(source) | {name: value for name, value in options.items() if value}
        ask = bool(given.missing(known)) and not as_json and source != "-" and may_ask()
        with completed(known, runbook, edit=edit, ask=ask, keep=dry_run) as complete:
            entry = given.entry_of(complete)
            added = adding.add(runbook, entry, dry_run=dry_run)
        _tell(runbook, entry, added, dry_run=dry_run, as_json=as_json, quiet=quiet)


def _read(source: str | None) -> Given:
    if source is None:
        return {}
    from roadbed.incidents.sources import from_text
    from roadbed.incidents.storage import read

    if source != "-":
        return from_text(read(Path(source)), source)
    try:
        return from_text(sys.stdin.buffer.read().decode(), "standard input")
    except UnicodeDecodeError as error:
        raise RoadbedError("Standard input is not UTF-8.", "Give JSON or Markdown.") from error


def _tell(
    runbook: Path, entry: Entry, added: Added, *, dry_run: bool, as_json: bool, quiet: bool
) -> None:
    changed = added.before != added.after
    warnings = _warnings(runbook, entry, added) if changed else []
    diff = _diff(runbook, added) if dry_run else ""
    if as_json:
        place = {"id": added.id, "path": str(runbook.absolute()), "line": added.line}
        shown = {"diff": diff} if dry_run else {}
        telling.document(**place, changed=changed and not dry_run, **shown, warnings=warnings)
        return
    if not quiet:
        telling.warn(warnings)
    if diff:
        typer.echo(diff, nl=False)
    elif not quiet:
        where = styled(f"{runbook}:{added.line}", fg="cyan")
        typer.echo(f"{where}  {added.id}{'' if changed else ' is there already'}")


def _warnings(runbook: Path, entry: Entry, added: Added) -> list[str]:
    from roadbed.incidents.lint import advice
    from roadbed.incidents.notation import render
    from roadbed.incidents.prevention import Checks
    from roadbed.incidents.runbook import SECTION

    checks = Checks(runbook.resolve().parent)
    said = [f"{it.message}." for it in advice(entry, render(entry).split("\n"), added.line, checks)]
    if added.new_section:
        said.append(f"{runbook} had no incident markers: they are made, under “{SECTION}”.")
    return said


def _diff(runbook: Path, added: Added) -> str:
    from difflib import unified_diff

    from roadbed.incidents.markdown import bare, split

    before, after = ([*map(bare, split(text))] for text in (added.before, added.after))
    lines = unified_diff(before, after, str(runbook), str(runbook), lineterm="")
    return "".join(f"{plain(line)}\n" for line in lines)
