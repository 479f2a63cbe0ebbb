"""Who is calling: API keys that belong to accounts.

A key is 256 random bits, shown once. The database holds its keyed hash (HMAC-SHA-256 under
API_KEY_PEPPER: a fast one is enough for a random secret), so that a stolen table opens nothing.
"""

import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, Text, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column

from .audit import Audited, Base
from .database import Database, DatabaseUnreachable, WriteSession
from .unit_of_work import UnitOfWork

log = logging.getLogger(__name__)

SUPPORT = "support"
KEY = "key_"
PREFIX_LENGTH = 16
LAST_USE_INTERVAL = 60.0


class Account(Audited, Base):
    """Who owns rows."""

    __tablename__ = "accounts"
    __table_args__ = (
        Index(None, "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
    )

    name: Mapped[str]


class ApiKey(Audited, Base):
    """A key of an account. `prefix` names it in lists and logs; it opens nothing."""

    __tablename__ = "api_keys"
    __table_args__ = (CheckConstraint("octet_length(digest) = 32", name="digest"),)

    account_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("accounts.id"), index=True)
    name: Mapped[str]
    prefix: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[bytes]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    last_used_at: Mapped[datetime | None]


@dataclass(frozen=True)
class Caller:
    """Who is calling, and what they may do. `name` goes into `deleted_by` and the logs."""

    account_id: int
    account: UUID
    name: str
    scopes: frozenset[str]

    @property
    def sees_all(self) -> bool:
        """Support sees the rows of every account."""
        return SUPPORT in self.scopes

    def may(self, scope: str) -> bool:
        """Whether `scope` (`<module>:write`) was granted: by its name, `<module>:*` or `*`."""
        return bool({scope, f"{scope.partition(':')[0]}:*", "*"} & self.scopes)


class Callers(Protocol):
    """Knows callers by what they send as `Authorization: Bearer …`."""

    async def caller(self, unit: UnitOfWork, token: str, /, *, writes: bool) -> Caller | None:
        """The caller that `token` belongs to, if there is one; then the unit acts as them."""


def digest(key: str, pepper: str) -> bytes:
    """The keyed hash that the database holds; 32 bytes."""
    return hmac.digest(pepper.encode(), key.encode(), hashlib.sha256)


async def issue(
    session: WriteSession, pepper: str, *, account: str, name: str, scopes: Iterable[str]
) -> str:
    """Make a key for the live account called `account`, which is made if need be."""
    owner = await session.scalar(select(Account).where(Account.name == account))
    if owner is None:
        owner = Account(name=account)
        session.add(owner)
        await session.flush()
    prefix = KEY + secrets.token_hex((PREFIX_LENGTH - len(KEY)) // 2)
    key = f"{prefix}_{secrets.token_urlsafe(32)}"
    session.add(
        ApiKey(
            account_id=owner.id,
            name=name,
            prefix=prefix,
            digest=digest(key, pepper),
            scopes=sorted(set(scopes)),
        )
    )
    await session.flush()
    return key


# One statement finds the key and, inside a transaction, tells the database who acts.
_FIND = text("""
    SELECT api_keys.id, api_keys.digest, api_keys.prefix, api_keys.scopes,
           accounts.id AS account_id, accounts.public_id AS account,
           set_config('app.actor', api_keys.prefix, true)
    FROM api_keys JOIN accounts ON accounts.id = api_keys.account_id
    WHERE api_keys.prefix = :prefix AND api_keys.deleted_at IS NULL
      AND accounts.deleted_at IS NULL
""")
_USED = text("UPDATE api_keys SET last_used_at = clock_timestamp() WHERE id = :id")


@dataclass
class ApiKeys:
    """Finds the caller of a request by its `Authorization: Bearer key_…`."""

    database: Database
    pepper: str = field(repr=False)
    _used: dict[int, float] = field(default_factory=dict)

    async def caller(self, unit: UnitOfWork, key: str, *, writes: bool) -> Caller | None:
        """The caller that `key` belongs to, if there is one; then the unit acts as them."""
        if not key.startswith(KEY):
            return None
        connection = await (unit.write_connection() if writes else unit.read_connection())
        row = (await connection.execute(_FIND, {"prefix": key[:PREFIX_LENGTH]})).one_or_none()
        if row is None or not hmac.compare_digest(row.digest, digest(key, self.pepper)):
            return None
        unit.acts_as(row.prefix, told=writes)
        self._note_use(row.id)
        return Caller(row.account_id, row.account, row.prefix, frozenset(row.scopes))

    def _note_use(self, key_id: int) -> None:
        """Remember the use, at most once a minute, and not in the request's transaction.

        In there the row's lock would let one request of a caller run at a time.
        """
        now = time.monotonic()
        if now - self._used.get(key_id, -LAST_USE_INTERVAL) >= LAST_USE_INTERVAL:
            self._used[key_id] = now
            self.database.aside(self._write_use(key_id))

    async def _write_use(self, key_id: int) -> None:
        try:
            async with self.database.autocommit() as connection:
                await connection.execute(_USED, {"id": key_id})
        except (SQLAlchemyError, DatabaseUnreachable) as error:
            log.warning("the last use of a key was not recorded: %s", type(error).__name__)
