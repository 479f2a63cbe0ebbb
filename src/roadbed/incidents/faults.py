"""What is wrong with an entry in itself: `lint` tells it, and `add` refuses it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

from roadbed.incidents.entry import FIELDS, TIMES
from roadbed.incidents.moments import day, last_day_anywhere, moment
from roadbed.incidents.notation import field_of
from roadbed.incidents.secrets import leaks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roadbed.incidents.entry import Entry


class Level(StrEnum):
    """How much a finding weighs."""

    ERROR = "error"  # `lint` exits with 1
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """Something to mend.

    Attributes:
        line: counted from 1.
        rule: a short name.
        message: what is wrong, without the secret itself.
    """

    line: int
    rule: str
    message: str
    level: Level = Level.ERROR


def of(entry: Entry, lines: Sequence[str], line: int) -> Iterator[Finding]:
    """The errors in an entry, in no order.

    Args:
        entry: what it says.
        lines: how it is written, or would be.
        line: of its heading, counted from 1.
    """
    found = day(entry.date)
    if found is None:
        yield Finding(line, "date", f"there is no day {entry.date}")
    elif found > last_day_anywhere():
        yield Finding(line, "date", f"{entry.date} is in the future")
    if not entry.title:
        yield Finding(line, "fields", "it has no title")
    for name, label in FIELDS.items():
        if not getattr(entry, name):
            yield Finding(line + line_of(lines, name), "fields", f"“{label}” is empty or missing")
    if entry.severity and not re.fullmatch("[0-5]", entry.severity):
        yield Finding(line + 1, "severity", f"severity={entry.severity} is not 0 to 5")
    yield from _times(entry, line + 1)
    where = "the heading"
    for offset, text in enumerate(lines):
        name = field_of(text)
        where = f"“{FIELDS[name]}”" if name else where
        for leak in leaks(text):
            yield Finding(line + offset, "secrets", f"{where} holds what looks like {leak}")


def line_of(lines: Sequence[str], name: str) -> int:
    """Where a field's label is among an entry's lines, or 0 for the heading."""
    return next((index for index, text in enumerate(lines) if field_of(text) == name), 0)


def _times(entry: Entry, line: int) -> Iterator[Finding]:
    given = {name: getattr(entry, name) for name in TIMES if getattr(entry, name)}
    for name, text in given.items():
        read = moment(text)
        if read is None:
            yield Finding(line, "times", f"{name}={text} is no time, such as 2025-06-15T14:02Z")
        elif read.date() > last_day_anywhere():
            yield Finding(line, "times", f"{name}={text} is in the future")
    read_times = [(name, moment(text)) for name, text in given.items()]
    for (earlier, first), (later, second) in pairwise(read_times):
        if first and second and first > second:
            yield Finding(line, "times", f"it was {later} before it was {earlier}")
