"""Buckets in PostgreSQL: exact among all processes, without another service to run.

The table is unlogged: it costs no WAL, and a crash of the server fills every bucket. The two
connections are nobody else's: in a request's transaction a rollback would give the request back.
"""

import asyncio
from math import ceil
from typing import Any

import asyncpg
from sqlalchemy import DateTime
from sqlalchemy.orm import Mapped, mapped_column

from ..audit import Base
from ..settings import KitSettings
from .policy import RateLimitPolicy
from .shared import OPEN_SECONDS, PROBE

CONNECTIONS = 2


# checklist: allow[table-without-audit-columns] buckets of minutes: no record of business
class RateLimitBucket(Base):
    """A bucket: when it is full again, and whether its last request was let through."""

    __tablename__ = "rate_limit"
    __table_args__ = {"prefixes": ["UNLOGGED"]}  # noqa: RUF012 SQLAlchemy's own

    key: Mapped[str] = mapped_column(primary_key=True)
    full_at: Mapped[Any] = mapped_column(DateTime(timezone=True))
    allowed: Mapped[bool]


# $2 is what the request costs and $3 what the bucket holds, in seconds. The statement's time does
# not move while it waits for the row. `least` is for a server whose clock was set back.
_TAKE = """
    INSERT INTO rate_limit AS bucket (key, full_at, allowed)
    SELECT $1, now + CASE WHEN cost <= size THEN cost ELSE '0 s' END, cost <= size
    FROM (SELECT statement_timestamp() AS now, make_interval(secs => $2) AS cost,
                 make_interval(secs => $3) AS size) AS asked
    ON CONFLICT (key) DO UPDATE SET (full_at, allowed) = (
        SELECT CASE WHEN fits THEN since + cost ELSE since END, fits
        FROM (SELECT statement_timestamp() AS now, make_interval(secs => $2) AS cost,
                     make_interval(secs => $3) AS size) AS asked,
             LATERAL (SELECT least(greatest(bucket.full_at, now), now + size) AS since) AS before,
             LATERAL (SELECT since + cost <= now + size AS fits) AS asks)
    RETURNING allowed, extract(epoch FROM full_at - statement_timestamp())::float8
"""


class PostgresStore:
    """Buckets as rows."""

    connections = CONNECTIONS

    def __init__(self, settings: KitSettings, service: str) -> None:
        self._url = settings.database_url.get_secret_value()
        self._pooled = settings.database_pooler_connections is not None
        self._options = {
            "application_name": f"{service}: rate limits",
            # Whatever the application's own is: two requests of a caller are no conflict.
            "default_transaction_isolation": "read committed",
            "statement_timeout": str(ceil(1000 * settings.rate_limit_store_seconds)),
        }
        self._idle: list[asyncpg.Connection] = []

    async def open(self) -> None:
        """Connect; raises what asyncpg raises."""
        await self.close()
        for _ in range(CONNECTIONS):
            self._idle.append(await self._connect())
        await asyncio.gather(*(self.take(PROBE, "", 1) for _ in range(CONNECTIONS)))

    async def take(self, policy: RateLimitPolicy, key: str, cost: int) -> tuple[bool, float]:
        """Take `cost` out of a bucket; whether it held that much, and how far ahead it is."""
        connection = self._idle.pop()
        try:
            row = await connection.fetchrow(
                _TAKE, f"{policy.name}:{key}", cost * policy.interval, policy.capacity
            )
        except BaseException:
            connection.terminate()
            raise
        self._idle.append(connection)
        return row[0], row[1]

    async def close(self) -> None:
        """Give up the connections, without waiting for a server that may not answer."""
        while self._idle:
            self._idle.pop().terminate()

    async def _connect(self) -> asyncpg.Connection:
        """A pooler in between takes no settings, and keeps no prepared statement."""
        if self._pooled:
            return await asyncpg.connect(self._url, timeout=OPEN_SECONDS, statement_cache_size=0)
        # The statement is prepared once: the server's patience would be that of both round trips.
        return await asyncpg.connect(
            self._url,
            timeout=OPEN_SECONDS,
            server_settings=self._options,
            max_cached_statement_lifetime=0,
        )
