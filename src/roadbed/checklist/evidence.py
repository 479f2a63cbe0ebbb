"""What a rule found, and where. An answer without evidence is no answer, a pass included."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class State(StrEnum):
    """How a promise stands; the worst first."""

    FAIL = "fail"
    UNKNOWN = "unknown"  # could not be verified: never a pass
    WARN = "warn"
    WAIVED = "waived"  # it fails, and somebody wrote down why that is right
    PASS = "pass"  # noqa: S105 - no password
    NA = "n/a"  # the service has nothing that the promise is about


class Located(Protocol):
    """Anything that was read from a file: its path, relative to the service, and its line."""

    @property
    def path(self) -> str: ...  # noqa: D102 - a field of whatever is located
    @property
    def line(self) -> int: ...  # noqa: D102


@dataclass(frozen=True)
class Place:
    """A line of a file.

    Attributes:
        path: relative to the service, with slashes.
        line: counted from 1; 0 stands for the file as a whole.
        begins: the first line of the statement that it stands in, where that is another one.
    """

    path: str
    line: int = 0
    begins: int = 0


@dataclass(frozen=True)
class Evidence:
    """One thing that speaks for or against a promise.

    Attributes:
        message: a sentence without its full stop.
        place: where; None when it is about the service as a whole.
        subject: what it is about, by a name that moves less than a line number: an operation, a
            table, a call. Fingerprints and waivers go by it.
        reason: of a waiver.
    """

    state: State
    message: str
    place: Place | None = None
    subject: str = ""
    reason: str = ""


def _found(state: State, message: str, at: Located | None, subject: str) -> Evidence:
    place = None if at is None else Place(at.path, at.line, getattr(at, "begins", 0))
    return Evidence(state, message, place, subject)


def passed(message: str, at: Located | None = None, *, subject: str = "") -> Evidence:
    """Evidence that a promise is kept."""
    return _found(State.PASS, message, at, subject)


def failed(message: str, at: Located | None = None, *, subject: str = "") -> Evidence:
    """Evidence that a promise is broken."""
    return _found(State.FAIL, message, at, subject)


def warned(message: str, at: Located | None = None, *, subject: str = "") -> Evidence:
    """Evidence that a promise is kept, but barely."""
    return _found(State.WARN, message, at, subject)


def unknown(message: str, at: Located | None = None, *, subject: str = "") -> Evidence:
    """What keeps a promise from being verified."""
    return _found(State.UNKNOWN, message, at, subject)


def irrelevant(message: str, at: Located | None = None) -> Evidence:
    """Why a promise, or a part of how it is verified, does not apply."""
    return _found(State.NA, message, at, "")


_ORDER = list(State)


def worst(states: list[State]) -> State:
    """The state of a whole: that of its worst part; n/a without any."""
    return min(states, key=_ORDER.index, default=State.NA)
