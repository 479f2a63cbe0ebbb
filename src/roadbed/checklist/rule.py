"""A rule: one promise of the article, and how it is verified."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from roadbed.checklist.evidence import Evidence
    from roadbed.checklist.service import Service


class Item(Enum):
    """What the article asks for, in its order. The last one is about the check itself."""

    BOUNDED_LISTS = "No unbounded arrays in API responses"
    CURSORS = "Cursor pagination, no OFFSET"
    TIMEOUTS = "All external calls have timeouts"
    IDEMPOTENCY = "All mutable endpoints are idempotent"
    VERSIONS = "The version is in the URL"
    NO_SELECT_STAR = "No SELECT * in production queries"
    AUDITED_TABLES = "Soft deletes and public UUIDs everywhere"
    POOL = "The connection pools fit the database"
    LATENCY_ALERT = "Alert if p95 latency doubles for 5 minutes"
    PAGING = "Someone knows how to page the on-call engineer"
    DOCUMENTS = "Three documents that are true"
    OWNERSHIP = "Ownership boundaries"
    CONTRACTS = "Explicit API contracts"
    ITSELF = "This check"


@dataclass(frozen=True)
class Rule:
    """One promise.

    Attributes:
        code: RB and three digits, the family first; never used again for another rule.
        name: what a broken promise is called.
        promise: what holds when the rule passes: one sentence.
        why: what the article, or a measurement, says for it.
        how: where the evidence comes from.
        mistakes: what it is known to get wrong.
        mend: what to do about a failure.
        sources: what to read on.
        check: gives the evidence; none at all means that there is nothing to say.
    """

    code: str
    name: str
    item: Item
    promise: str
    why: str
    how: str
    mistakes: str
    mend: str
    sources: tuple[str, ...]
    check: Callable[[Service], Iterator[Evidence]]
