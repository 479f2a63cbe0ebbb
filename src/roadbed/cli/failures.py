"""What goes wrong, in words: one sentence on what happened, one on what to do next."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from roadbed.errors import RoadbedError
from roadbed.git import GitError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


@contextmanager
def told(*, debug: bool, written: str = "Stopped; nothing was written.") -> Iterator[None]:
    """Turn errors that a user can cause into sentences, and signals into a clean retreat.

    Exit code 2 for an error, 130 for Ctrl-C (143 and 129 for SIGTERM and SIGHUP), with the
    sentence `written`. With `debug` the traceback is shown as well.
    """
    caught: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, interrupt) for number in _RETREAT}
    try:
        yield
    except (RoadbedError, GitError, OSError) as error:
        if debug or isinstance(error, BrokenPipeError):  # who read has seen enough: no error
            raise
        said = _in_words(error)
        typer.echo(f"Error: {said.what}\n{said.advice}", err=True)
        raise typer.Exit(said.exit_code) from None
    except KeyboardInterrupt:
        if debug:
            raise
        typer.echo(written, err=True)
        raise typer.Exit(128 + (caught or [signal.SIGINT])[0]) from None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


_RETREAT = (signal.SIGTERM, signal.SIGHUP)


def _in_words(error: RoadbedError | GitError | OSError) -> RoadbedError:
    if isinstance(error, RoadbedError):
        return error
    what = f"git said no: {error}."
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        what = f"{where}{error.strerror or error}."
    return RoadbedError(what, "See more with --debug.")
