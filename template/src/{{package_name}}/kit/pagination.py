"""Keyset pages: a position instead of rows to skip, so that page 10,000 costs as much as page 1.

Rows are ordered by a time and `public_id`, compared as one row value, which an index on both
answers. A cursor holds the position of a row that the client has seen and a digest of the request
that it belongs to; there is no secret in it, and nothing to gain from forging one.
"""

import base64
import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, DateTime, Select, Uuid, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute
from starlette.datastructures import URL

from .errors import Problem

Row = TypeVar("Row")
Item = TypeVar("Item")

DEFAULT_LIMIT = 20
MAX_LIMIT = 100

_VERSION = 1
_LAYOUT = struct.Struct(">BBq16s")
_DIGEST_SIZE = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Position:
    """Where a row stands in the order, and which way to go from there."""

    at: datetime
    public_id: UUID
    backwards: bool


@dataclass(frozen=True)
class PageRequest:
    """Which page of which list: everything that the query needs from the URL.

    `context` names the list (endpoint, caller, filters): a cursor of another one is refused.
    """

    limit: int
    descending: bool
    position: Position | None
    context: bytes
    url: URL


class PageInfo(BaseModel):
    """Where a page stands: the cursors of the pages around it, null where there is none."""

    limit: int
    next: str | None
    previous: str | None


class PageOf(BaseModel, Generic[Item]):
    """A page, as clients see it."""

    items: Annotated[list[Item], Field(max_length=MAX_LIMIT)]
    page: PageInfo


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some rows in order, where they stand, and the `Link` header that says so too."""

    items: Sequence[Row]
    info: PageInfo
    link: str

    def body(self) -> dict[str, object]:
        """What `PageOf` is made of."""
        return {"items": self.items, "page": self.info}


class Keyset(Generic[Row]):
    """The order of a list. Both columns must exist for every row: neither may be null."""

    def __init__(
        self,
        at: InstrumentedAttribute[datetime],
        public_id: InstrumentedAttribute[UUID],
    ) -> None:
        for column in (at, public_id):
            if column.expression.nullable:
                raise TypeError(f"{column} may be null: rows without it would be on no page")
        self._at = at
        self._public_id = public_id

    def select(self, statement: Select[Row], request: PageRequest) -> Select[Row]:
        """`statement` with the order, the start and the size of the requested page."""
        position = request.position
        backwards = position is not None and position.backwards
        descending = request.descending != backwards
        if position is not None:
            statement = statement.where(self._beyond(position, descending))
        order = (self._at, self._public_id)
        statement = statement.order_by(*(c.desc() if descending else c.asc() for c in order))
        # One row more than asked tells whether there is another page.
        return statement.limit(request.limit + 1)

    def page(self, found: Sequence[Row], request: PageRequest) -> Page[Row]:
        """The page made of what `select` found."""
        backwards = request.position is not None and request.position.backwards
        more = len(found) > request.limit
        items = list(found[: request.limit])
        if backwards:
            items.reverse()
        has_next = bool(items) and (more or backwards)
        has_previous = bool(items) and (more if backwards else request.position is not None)
        following = self._cursor(items[-1], request, backwards=False) if has_next else None
        previous = self._cursor(items[0], request, backwards=True) if has_previous else None
        link = _link(request.url, next=following, prev=previous)
        return Page(items, PageInfo(limit=request.limit, next=following, previous=previous), link)

    def _beyond(self, position: Position, descending: bool) -> ColumnElement[bool]:
        here = tuple_(self._at, self._public_id)
        there = tuple_(
            literal(position.at, DateTime(timezone=True)), literal(position.public_id, Uuid())
        )
        return here < there if descending else here > there

    def _cursor(self, row: Row, request: PageRequest, *, backwards: bool) -> str:
        at: datetime = getattr(row, self._at.key)
        public_id: UUID = getattr(row, self._public_id.key)
        return encode(Position(at, public_id, backwards), request.context)


def encode(position: Position, context: bytes) -> str:
    """The cursor for `position` in the list that `context` names: 46 characters for a URL."""
    micros = (position.at - _EPOCH) // _MICROSECOND
    body = _LAYOUT.pack(_VERSION, position.backwards, micros, position.public_id.bytes)
    return base64.urlsafe_b64encode(body + _digest(body, context)).rstrip(b"=").decode()


def decode(cursor: str, context: bytes) -> Position:
    """The position that `cursor` holds; raises `Problem` unless `encode` made it for `context`."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        _, backwards, micros, public_id = _LAYOUT.unpack(raw[: _LAYOUT.size])
        position = Position(_EPOCH + micros * _MICROSECOND, UUID(bytes=public_id), backwards == 1)
        # Version, digest, and the only spelling: the last character has bits to spare.
        genuine = encode(position, context) == cursor
    except (ValueError, OverflowError, struct.error):
        genuine = False
    if not genuine:
        raise Problem("invalid-cursor", "take cursors from this list's own pages, with its filters")
    return position


def _digest(body: bytes, context: bytes) -> bytes:
    return hashlib.blake2b(body + context, digest_size=_DIGEST_SIZE).digest()


def _link(url: URL, **cursors: str | None) -> str:
    """A `Link` header (RFC 8288): the pages around this one, with the request's own filters."""
    links = {"first": url.remove_query_params("cursor")}
    links |= {rel: url.include_query_params(cursor=c) for rel, c in cursors.items() if c}
    return ", ".join(f'<{target}>; rel="{rel}"' for rel, target in links.items())
