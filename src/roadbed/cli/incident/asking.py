"""An incident that a person writes now. What they wrote is kept until it is in the runbook."""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from shlex import quote
from typing import TYPE_CHECKING

import typer

from roadbed.errors import RoadbedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from roadbed.incidents.given import Given


def may_ask() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


@contextmanager
def completed(known: Given, runbook: Path, *, edit: bool, ask: bool, keep: bool) -> Iterator[Given]:
    """Have a person complete what is known, and keep that in a file while it is put to use.

    Args:
        known: what is given already.
        runbook: where the entry is to go.
        edit: let them write in an editor.
        ask: let them answer questions.
        keep: the file stays, although nothing fails.
    """
    if not (edit or ask):
        yield known
        return
    from roadbed.incidents import editor
    from roadbed.incidents.sources import draft_of

    began = draft_of(known)
    draft = editor.keep(began)
    with _kept(draft, began, runbook, keep=keep):
        yield _edited(draft, began) if edit else _answered(known, draft)


@contextmanager
def _kept(draft: Path, began: str, runbook: Path, *, keep: bool) -> Iterator[None]:
    """Remove a draft that served its purpose, or that nobody changed; else say where it is."""
    command = f"roadbed incident add {quote(str(runbook))} --edit --from {quote(str(draft))}"
    words = f"What you wrote is kept in {draft}:\n  {command}"
    failed = True
    try:
        yield
        failed = False
    except RoadbedError as error:
        if _is_blank(draft, began):
            raise
        raise RoadbedError(error.what, f"{error.advice}\n{words}") from error
    except KeyboardInterrupt:
        if not _is_blank(draft, began):
            typer.echo(f"\n{words}", err=True)
        raise
    finally:
        if _is_blank(draft, began) or not (failed or keep):
            draft.unlink(missing_ok=True)
    if keep:
        typer.echo(words, err=True)


def _is_blank(draft: Path, began: str) -> bool:
    """Whether nobody wrote anything in it, or it was thrown away."""
    try:
        return draft.read_text("utf-8", errors="replace") == began
    except FileNotFoundError:
        return True


def _edited(draft: Path, began: str) -> Given:
    """What they wrote in their editor."""
    from roadbed.incidents import editor, storage
    from roadbed.incidents.sources import from_text

    editor.open_editor(draft)
    text = storage.read(draft)
    if text == began:
        raise RoadbedError("Nothing was added.", "The draft was left as it was.")
    return from_text(text, str(draft))


def _answered(known: Given, draft: Path) -> Given:
    """What they answered; the draft has it after each answer."""
    from roadbed.incidents.entry import FIELDS
    from roadbed.incidents.given import missing
    from roadbed.incidents.moments import today
    from roadbed.incidents.sources import draft_of

    typer.echo(
        "A line each; --edit opens an editor instead. Ctrl-C keeps what you wrote.", err=True
    )
    labels = {"date": "Date", "title": "Title", **FIELDS}
    open_ = missing(known) if known.get("date") else ["date", *missing(known)]
    for name in open_:
        known = known | {name: _prompt(labels[name], str(today()) if name == "date" else None)}
        with suppress(OSError):  # it was kept for the case that something else fails
            draft.write_text(draft_of(known), "utf-8", errors="replace")
    return known


def _prompt(label: str, default: str | None = None) -> str:
    while True:
        try:
            answer: str = typer.prompt(label, default=default, err=True)
        except typer.Abort:
            raise KeyboardInterrupt from None
        if answer.strip():
            return answer
