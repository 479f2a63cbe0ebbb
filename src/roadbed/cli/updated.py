"""The last words of `update`, for people or as one JSON document."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from roadbed.cli import progress

if TYPE_CHECKING:
    from roadbed.update.report import Update

SCHEMA = 1  # of the JSON document
_LEFT = {
    "team": "Changed in the template, and yours: left as they are",
    "deleted": "Changed in the template, and deleted by you: they stay deleted",
    "ignored": "Changed in the template, and ignored by git here: left as they are",
}


def tell(done: Update, *, as_json: bool, quiet: bool, dry_run: bool) -> None:
    """Print what an update came to, what to mind, and what to do next."""
    for step in done.steps:
        if step.state == "failed":
            typer.echo(f"\nThe step “{step.name}” failed:\n{step.detail}", err=True)
    for warning in () if as_json or quiet else done.warnings:
        typer.echo(f"Warning: {warning}", err=True)
    if as_json:
        typer.echo(_document(done))
    elif not quiet:
        _tell_in_words(done, dry_run=dry_run)
    if done.conflicts:
        _tell_conflicts(done, dry_run=dry_run)
    if done.next and not dry_run:
        typer.echo("\nTo go on:\n  " + "\n  ".join(done.next), err=True)


def typed(command: str, path: Path, again: list[str]) -> str:
    """A command for the service's folder as it is typed where the user is.

    Args:
        command: one of git or of `roadbed update`.
        path: the service, as the user named it.
        again: the options that make another update than the plain one.
    """
    program, words = command.split(" ", 1)
    if program == "git":
        return command if path == Path() else f"git -C {shlex.quote(str(path))} {words}"
    if path != Path():
        command += f" {shlex.quote(str(path))}"
    begins_anew = "--continue" not in words and "--abort" not in words
    return " ".join([command, *map(shlex.quote, again)]) if begins_anew else command


def _document(done: Update) -> str:
    document = {
        "schema": SCHEMA,
        "path": str(done.folder),
        "template": {"source": done.source, "from": done.old, "to": done.new},
        "outcome": done.outcome,
        "commit": done.commit,
        "branch": done.branch,
        "changelog": done.changelog,
        "files": [{"path": file.path, "change": file.change} for file in done.files],
        "conflicts": [{"path": each.path, "reason": each.reason} for each in done.conflicts],
        "left": [{"path": each.path, "why": each.why} for each in done.left],
        "diff": done.diff,
        "steps": progress.described(done.steps),
        "next": done.next,
        "warnings": done.warnings,
    }
    return json.dumps(document, indent=2)


def _tell_in_words(done: Update, *, dry_run: bool) -> None:
    typer.echo(_headline(done))
    if done.changelog:
        typer.echo(f"\n{done.changelog}")
    if done.files:
        typer.echo("\n" + "\n".join(f"  {file.change} {file.path}" for file in done.files))
    for why, words in _LEFT.items():
        if paths := [each.path for each in done.left if each.why == why]:
            typer.echo(f"\n{words}:\n  " + "\n  ".join(paths))
    if dry_run:
        typer.echo(f"\n{done.diff}" if done.diff else "", nl=False)
    elif done.steps:
        typer.echo("\n" + "\n".join(f"  {progress.line(step)}" for step in done.steps))
    if done.outcome == "updated":
        typer.echo(f"\nCommitted as {(done.commit or '')[:9]} on {done.branch}.")
    if done.outcome == "red":
        held = f"The branch {done.branch} holds what was tried." if done.branch else ""
        typer.echo(f"\nNothing was applied. {held}".rstrip())


def _headline(done: Update) -> str:
    name = done.folder.name
    if done.outcome == "aborted":
        return f"{name} is as it was before the update: template {done.old}"
    if done.outcome == "current":
        return f"{name} is up to date: template {done.old}"
    if done.old == done.new:
        return f"{name}: template {done.old}"
    return f"{name}: template {done.old} → {done.new}"


def _tell_conflicts(done: Update, *, dry_run: bool) -> None:
    verb = "would be" if dry_run else "are"
    typer.echo(f"\nThere {verb} conflicts to resolve:", err=True)
    for conflict in done.conflicts:
        typer.echo(f"  {conflict.path}: {conflict.reason}", err=True)
