"""Millions of rows, fast, and as true as if the service had written them one by one."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import asyncpg
from dev.postgres import database_url

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = int(os.environ.get("BENCH_ROWS", "5_000_000"))
BATCH = 250_000
TENTH = 10  # times fewer rows has the table beside it
ACCOUNT = "bench"

# Five rows share each timestamp; every tenth row is deleted.
_INSERT = """
    INSERT INTO payments (account_id, amount, currency, created_at, deleted_at, deleted_by)
    SELECT $1, 1 + n % 10000, 'USD', timestamptz '2026-01-01' + n / 5 * interval '1 ms',
           CASE WHEN n % 10 = 0 THEN now() END, CASE WHEN n % 10 = 0 THEN 'bench' END
    FROM generate_series($2::bigint, $3::bigint) AS n
"""
_COPY = """
    INSERT INTO tenth.payments OVERRIDING SYSTEM VALUE
    SELECT * FROM public.payments ORDER BY id LIMIT $1
"""
# For this session alone, the triggers sleep: they would look up the same account for each row, and
# take five times as long as all the rest, to change nothing.
_FAST = """
    SET session_replication_role = replica;
    SET synchronous_commit = off;
    SET maintenance_work_mem = '512MB';
"""


@contextmanager
def migrated() -> Iterator[str]:
    """The URL of the service's database, with its newest schema, as long as this lasts."""
    with database_url() as url:
        os.environ.update(DATABASE_URL=url, ENVIRONMENT="development")
        module("alembic", "upgrade", "heads")
        yield url


def new_key() -> str:
    """A key of the account that owns the rows; support's, too, so that nobody asks twice."""
    who = ("--account", ACCOUNT, "--name", "bench", "--scope", "*")
    return module("orders", "keys", "create", *who)


def module(*arguments: str) -> str:
    """What one of the service's modules prints."""
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


async def fill(url: str) -> float:
    """Bring the table to ROWS rows, unless it has them; returns the seconds that it took."""
    connection = await asyncpg.connect(url)
    began = time.perf_counter()
    try:
        have = await connection.fetchval("SELECT count(*) FROM payments")
        if have < ROWS:
            await _insert(connection, have)
        return time.perf_counter() - began
    finally:
        await connection.close()


async def _insert(connection: asyncpg.Connection, have: int) -> None:
    owner = await connection.fetchval("SELECT id FROM accounts WHERE name = $1", ACCOUNT)
    # Other indexes than those of constraints are made when the rows are there.
    later = await connection.fetch("""
        SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition
        FROM pg_index LEFT JOIN pg_constraint ON conindid = indexrelid
        WHERE indrelid = 'payments'::regclass AND conindid IS NULL
    """)
    await connection.execute(_FAST)
    async with connection.transaction():
        for index in later:
            await connection.execute(f"DROP INDEX {index['name']}")
        for start in range(have, ROWS, BATCH):
            end = min(start + BATCH, ROWS) - 1
            await connection.execute(_INSERT, owner, start, end, timeout=None)
            print(f"\r{end + 1:>12,} of {ROWS:,} rows", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        for index in later:
            await connection.execute(index["definition"], timeout=None)
    await connection.execute("VACUUM (ANALYZE, FREEZE) payments", timeout=None)
    await connection.execute("CHECKPOINT")


async def copy_a_tenth(url: str) -> None:
    """Bring `tenth.payments`, the same table with the oldest tenth of the rows, to where it is."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("DROP SCHEMA IF EXISTS tenth CASCADE; CREATE SCHEMA tenth")
        await connection.execute("CREATE TABLE tenth.payments (LIKE public.payments INCLUDING ALL)")
        await connection.execute(_COPY, ROWS // TENTH, timeout=None)
        await connection.execute("VACUUM (ANALYZE, FREEZE) tenth.payments", timeout=None)
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


if __name__ == "__main__":
    with migrated() as address:
        new_key()
        print(f"{asyncio.run(fill(address)):.0f} s")
