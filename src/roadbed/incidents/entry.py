"""What an incident's entry says: the article's five fields, and what machines need beside them."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

# The article's labels, in its order.
FIELDS = {
    "what": "What happened",
    "why": "Why",
    "fix": "Fix",
    "caught": "How we caught",
    "prevention": "Prevention",
}
TIMES = ("started", "detected", "resolved")

_LONGEST_SLUG = 60


class Entry(NamedTuple):
    """One incident, as it is written; `faults.py` says what is wrong with it.

    Attributes:
        date: of the incident, `YYYY-MM-DD`.
        title: one line.
        what, why, fix, caught, prevention: Markdown, of several lines perhaps.
        severity: `0` to `5`, the worst first, or nothing.
        started, detected, resolved: ISO 8601 with a zone, or nothing.
        tags, links: words, and addresses.
        id: date and slug. It outlives a change of the title; empty until the entry has a place.
    """

    date: str
    title: str
    what: str = ""
    why: str = ""
    fix: str = ""
    caught: str = ""
    prevention: str = ""
    severity: str = ""
    started: str = ""
    detected: str = ""
    resolved: str = ""
    tags: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    id: str = ""

    @property
    def own_id(self) -> str:
        """The id that date and title give."""
        return "-".join(filter(None, (self.date, _slug(self.title))))

    def says_the_same_as(self, other: Entry) -> bool:
        """Whether all but the id is equal."""
        return self._replace(id="") == other._replace(id="")


def _slug(title: str) -> str:
    """The title's words as an anchor; cut after a word where it is long."""
    words = re.findall(r"\w+", unicodedata.normalize("NFC", title).lower())
    slug = "-".join(words)
    if len(slug) > _LONGEST_SLUG:
        slug = slug[: _LONGEST_SLUG + 1].rpartition("-")[0] or slug[:_LONGEST_SLUG]
    return slug
