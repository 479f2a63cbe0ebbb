"""Steps as they happen, on standard error: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadbed.steps import Report, Step


@contextmanager
def shown(*, quiet: bool) -> Iterator[Report]:
    """Give a function that shows a step when it begins and when it ends."""
    if quiet:
        yield lambda step: None
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _live() as report:
            yield report
    else:
        yield _plain


def line(step: Step) -> str:
    """One step in one line: mark, name, and its seconds or why it took none."""
    if step.state in {"left out", "not reached"}:
        return f"- {step.name:<8}          {step.state} ({step.detail})"
    if step.state == "done":
        return f"✓ {step.name:<8} {step.seconds:6.1f} s"
    return f"✗ {step.name:<8} {step.seconds:6.1f} s  {step.state}"


def described(steps: list[Step]) -> list[dict[str, str | float]]:
    """Steps as JSON documents tell them."""
    return [
        {"name": s.name, "state": s.state, "seconds": round(s.seconds, 3), "detail": s.detail}
        for s in steps
    ]


def _plain(step: Step) -> None:
    if step.state != "running":
        typer.echo(line(step), err=True)


@contextmanager
def _live() -> Iterator[Report]:
    """All steps so far, with a running clock, while one runs; the table is printed at the end."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    since: list[tuple[Step, float]] = []

    def picture() -> Text:
        lines = [
            f"… {step.name:<8} {time.monotonic() - began:6.1f} s"
            if step.state == "running"
            else line(step)
            for step, began in since
        ]
        return Text("\n".join(lines))

    console = Console(stderr=True)
    display = Live(get_renderable=picture, console=console, transient=True, refresh_per_second=8)

    def report(step: Step) -> None:
        if step.state == "running":
            since.append((step, time.monotonic() - step.seconds))
            display.start()
        else:
            display.stop()  # between two steps somebody may be asked, who needs to see the question

    try:
        yield report
    finally:
        display.stop()
