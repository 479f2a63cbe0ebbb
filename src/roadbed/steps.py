"""The steps of long work: each has a name, a state, and the seconds that it took."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class State(StrEnum):
    """Where a step stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"  # by the user
    NOT_REACHED = "not reached"  # since another failed or was stopped
    LEFT_OUT = "left out"  # not wanted, or not for this place


@dataclass
class Step:
    """One step of the way.

    Attributes:
        name: render, lock, commit and the like, of at most eight letters.
        seconds: how long it took (wall time).
        detail: why it was left out or not reached, or the end of the output where it failed.
    """

    name: str
    state: State = State.NOT_REACHED
    seconds: float = 0.0
    detail: str = ""


Report = Callable[[Step], None]  # called when a step begins and when it ends


class NotHere(Exception):
    """A step that is not for this place; `str()` of it says why."""


@contextmanager
def timed(step: Step, report: Report = lambda step: None) -> Iterator[None]:
    """Clock a step and keep its state, whichever way it ends; an error goes on its way."""
    began = time.perf_counter() - step.seconds
    step.state, step.detail = State.RUNNING, ""
    report(step)
    try:
        yield
        step.state = State.DONE
    except BaseException as error:
        states = {NotHere: State.LEFT_OUT, KeyboardInterrupt: State.STOPPED}
        step.state = states.get(type(error), State.FAILED)
        step.detail = str(error)
        raise
    finally:
        step.seconds = time.perf_counter() - began
        report(step)
