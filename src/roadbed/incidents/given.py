"""What is given for an entry, and the entry that it makes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from roadbed.errors import RoadbedError
from roadbed.incidents import faults
from roadbed.incidents.entry import FIELDS, TIMES, Entry
from roadbed.incidents.moments import today, written
from roadbed.incidents.notation import render

if TYPE_CHECKING:
    from collections.abc import Iterable

Given = dict[str, Any]  # texts by the names of an entry's fields; `SEVERAL` are lists of them

REQUIRED = ("title", *FIELDS)
SEVERAL = ("tags", "links")

_AGAIN = "Mend it, and try again."
# What a terminal obeys (but for tabs and line ends), and what no UTF-8 can hold.
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def missing(given: Given) -> list[str]:
    """The names of what an entry needs and `given` has not."""
    return [name for name in REQUIRED if not _clean(given.get(name))]


def tidied(given: Given) -> Entry:
    """An entry of what is given, complete or not, right or wrong."""
    date = _clean(given.get("date")) or today().isoformat()

    def text(name: str) -> str:
        return _clean(given.get(name))

    return Entry(
        date=date,
        title=re.sub(r"[ \t\n]+", " ", text("title")),
        what=text("what"),
        why=text("why"),
        fix=text("fix"),
        caught=text("caught"),
        prevention=text("prevention"),
        severity=re.sub(r"^sev-?", "", text("severity").lower()),
        started=written(text("started"), date),
        detected=written(text("detected"), date),
        resolved=written(text("resolved"), date),
        tags=_each(tag for tags in given.get("tags", ()) for tag in tags.lower().split(",")),
        links=_each(link.replace(",", "%2C") for link in given.get("links", ())),
        id=text("id"),
    )


def entry_of(given: Given) -> Entry:
    """An entry that may be added.

    Raises:
        RoadbedError: something is missing, or wrong, or must not be in a repository.
    """
    lacking = missing(given)
    if lacking:
        raise RoadbedError(
            f"The incident has no {', no '.join(lacking)}.",
            f"Give {' '.join(f'--{name}' for name in lacking)}, write it with --edit,"
            " or take it --from a file.",
        )
    entry = tidied(given)
    for name, value in entry._asdict().items():
        _require_writable(name, value)
    wrong = dict.fromkeys(fault.message for fault in faults.of(entry, render(entry).split("\n"), 1))
    if wrong:
        raise RoadbedError(f"The incident can't be added: {'; '.join(wrong)}.", _AGAIN)
    return entry


def _require_writable(name: str, value: str | tuple[str, ...]) -> None:
    for text in [value] if isinstance(value, str) else value:
        found = _UNWRITABLE.search(text)
        if found:
            raise RoadbedError(
                f"“{name}” holds a character that is no text (U+{ord(found[0]):04X}).",
                "Leave it out: colours of a terminal are such characters, and so is what is not UTF-8.",
            )
        if name in {*SEVERAL, *TIMES, "severity", "id"} and re.search(r"[\s<>]", text):
            raise RoadbedError(f"“{text}” ({name}) has a space or an angle bracket.", _AGAIN)


def _clean(text: str | None) -> str:
    """A text with the line endings that entries have inside, and nothing around it."""
    return re.sub(r"\r\n?", "\n", text or "").strip(" \t\n")


def _each(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, (word.strip() for word in words))))
