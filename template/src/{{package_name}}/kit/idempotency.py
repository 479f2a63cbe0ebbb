"""Idempotency keys: a request that is sent twice is done once, and answered twice alike.

The key's row lives in the transaction of the business write. Either both are committed or neither
is, so that no crash, at any instruction, loses or doubles anything, and no lock has to expire.

1. Claim: one statement takes an advisory lock without waiting and inserts the row.
2. The handler runs, in the same transaction.
3. The answer is stored in the row; then the transaction commits; then the answer is sent.

Sources: draft-ietf-httpapi-idempotency-key-header-07 (status codes); Stripe (replayed header).
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import asyncpg
from sqlalchemy import CheckConstraint, DateTime, Index, LargeBinary, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column
from starlette.responses import Response

from .audit import Base
from .errors import Problem, retry

MAX_STORED_BYTES = 256 * 1024

# How the claims of this process went: first, replayed, in_progress, reused.
outcomes: Counter[str] = Counter()

REPLAYED = (b"idempotent-replayed", b"true")
REPLAYED_HEADERS = {b"content-type", b"location", b"etag", b"link", b"content-language"}

# A refusal that the caller can mend, or that says nothing of the request itself, is not an answer
# to keep.
_NOT_KEPT = {401, 403, 408, 413, 415, 425, 429}

_BARE = re.compile(r"[A-Za-z0-9._:~+/=-]{1,255}")
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\]){1,255})"')
PATTERN = f"^({_BARE.pattern}|{_QUOTED.pattern})$"


# checklist: allow[table-without-audit-columns] answers of a day: no record of business
class IdempotencyKey(Base):
    """A key and the answer to its request. Not audited, and purged: it is no record of business.

    The digest is of scope and key; the columns are bytes, since only this file reads them.
    """

    __tablename__ = "idempotency_key"
    __table_args__ = (
        CheckConstraint("octet_length(digest) = 16", name="digest"),
        CheckConstraint("octet_length(fingerprint) = 32", name="fingerprint"),
        Index("ix_idempotency_key_expires_at", "expires_at"),
    )

    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    fingerprint: Mapped[bytes]
    status: Mapped[int | None] = mapped_column(SmallInteger)
    headers: Mapped[bytes | None]
    body: Mapped[bytes | None]
    expires_at: Mapped[Any] = mapped_column(DateTime(timezone=True))


@dataclass(frozen=True)
class Answer:
    """What a request was answered: enough to answer it again."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def response(self) -> Response:
        """The answer, once more."""
        response = Response(self.body, self.status)
        response.raw_headers += [*self.headers, REPLAYED]
        return response


class Replay(Exception):
    """The request was answered before: `answer` is the answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("the request was answered before")
        self.answer = answer


@dataclass(frozen=True)
class Claim:
    """The right to answer a request, for as long as the transaction lives that made it."""

    digest: bytes
    fingerprint: bytes
    expires_after: timedelta

    async def take(self, connection: asyncpg.Connection) -> None:
        """Claim the key, inside the request's transaction.

        Raises:
            Replay: it was answered before.
            Problem: `idempotency-key-reused` for another request, `idempotency-in-progress`.
        """
        taken = await connection.fetchval(
            _CLAIM, self._lock, self.digest, self.fingerprint, self.expires_after
        )
        if taken:
            outcomes["first"] += 1
            return
        answer = await self.answered(connection)
        if answer is None:
            outcomes["in_progress"] += 1
            raise retry("idempotency-in-progress", "the first request is still running")
        outcomes["replayed"] += 1
        raise Replay(answer)

    async def answered(self, connection: asyncpg.Connection) -> Answer | None:
        """The answer that is stored, if one is. Raises `idempotency-key-reused`."""
        row = await connection.fetchrow(_FIND, self.digest)
        if row is None:
            return None
        if row["fingerprint"] != self.fingerprint:
            outcomes["reused"] += 1
            raise Problem("idempotency-key-reused", "use a new key for a new request")
        lines = [line.split(b": ", 1) for line in row["headers"].splitlines()]
        return Answer(row["status"], tuple((name, value) for name, value in lines), row["body"])

    async def store(self, connection: asyncpg.Connection, answer: Answer) -> None:
        """Keep the answer with the claim, before the commit."""
        await connection.execute(
            _STORE, self.digest, answer.status, _packed(answer.headers), answer.body
        )

    async def store_refusal(self, connection: asyncpg.Connection, answer: Answer) -> Answer:
        """Keep a refusal, in a transaction of its own, after the request's was rolled back.

        In between, a retry may have been answered: then that is the answer. Returns the kept one.
        """
        await connection.execute("SELECT pg_advisory_xact_lock($1)", self._lock)
        kept = await self.answered(connection)
        if kept is not None:
            return kept
        await connection.execute(
            _STORE_REFUSAL,
            self.digest,
            self.fingerprint,
            self.expires_after,
            answer.status,
            _packed(answer.headers),
            answer.body,
        )
        return answer

    def downstream(self, step: str) -> str:
        """The `Idempotency-Key` of a call that this request makes, as a UUID; one `step`, one call.

        It follows from the caller and their key alone: when the process dies between the call and
        the commit, the retry calls with the same key, and the other side does nothing twice.
        """
        return str(uuid5(UUID(bytes=self.digest), step))

    @property
    def _lock(self) -> int:
        return int.from_bytes(self.digest[:8], signed=True)


# Nobody waits for the lock: a request that waits holds a connection, and fifty of them hold all.
_CLAIM = """
    WITH lock AS MATERIALIZED (SELECT pg_try_advisory_xact_lock($1) AS held)
    INSERT INTO idempotency_key AS kept (digest, fingerprint, expires_at)
    SELECT $2, $3, now() + $4::interval FROM lock WHERE held
    ON CONFLICT (digest) DO UPDATE
        SET fingerprint = excluded.fingerprint, expires_at = excluded.expires_at,
            status = NULL, headers = NULL, body = NULL
        WHERE kept.expires_at <= now()
    RETURNING true
"""
_FIND = """
    SELECT fingerprint, status, headers, body FROM idempotency_key
    WHERE digest = $1 AND expires_at > now()
"""
_STORE = "UPDATE idempotency_key SET status = $2, headers = $3, body = $4 WHERE digest = $1"
_STORE_REFUSAL = """
    INSERT INTO idempotency_key AS kept (digest, fingerprint, expires_at, status, headers, body)
    VALUES ($1, $2, now() + $3::interval, $4, $5, $6)
    ON CONFLICT (digest) DO UPDATE
        SET fingerprint = excluded.fingerprint, expires_at = excluded.expires_at,
            status = excluded.status, headers = excluded.headers, body = excluded.body
"""


def parse(values: Iterable[str]) -> str:
    """The key in the `Idempotency-Key` headers of a request: a string or a bare token.

    Raises:
        Problem: `idempotency-key-missing`, `idempotency-key-malformed`.
    """
    found = list(values)
    if not found:
        raise Problem("idempotency-key-missing", "send a random UUID in Idempotency-Key")
    value = found[0].strip(" ")
    quoted = _QUOTED.fullmatch(value)
    if len(found) > 1 or not (quoted or _BARE.fullmatch(value)):
        raise Problem("idempotency-key-malformed", "send one key of 1 to 255 characters")
    return re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else value


def claim(
    *, scope: str, key: str, method: str, path: str, query: str, body: bytes, expires: timedelta
) -> Claim:
    """The claim of a caller (`scope`) for a request. Path and query are part of the request."""
    digest = hashlib.blake2b(f"{scope}\0{key}".encode(), digest_size=16).digest()
    request = hashlib.sha256(f"{method}\0{path}\0{query}\0".encode())
    request.update(_canonical(body))
    return Claim(digest, request.digest(), expires)


def is_kept(status: int) -> bool:
    """Whether an answer with this status is the answer for good."""
    return status < 500 and status not in _NOT_KEPT


def _canonical(body: bytes) -> bytes:
    """JSON without the freedom of its spelling; numbers keep theirs, and stay no strings."""
    try:
        value = json.loads(body, parse_float=_Number, parse_int=_Number, parse_constant=_Number)
    except (ValueError, RecursionError):
        return body
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_spelled).encode()


class _Number:
    """A number as it was spelled."""

    def __init__(self, spelling: str) -> None:
        self.spelling = spelling


def _spelled(number: _Number) -> dict[str, str]:
    # No JSON text of a client holds this key by accident, and none gains by holding it.
    return {"\0number": number.spelling}


def _packed(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    return b"\n".join(
        name + b": " + value for name, value in headers if name.lower() in REPLAYED_HEADERS
    )
