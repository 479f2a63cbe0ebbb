"""The measurement of `bench/public_ids.py`, inside a service."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from dataclasses import asdict

import asyncpg

from bench.inside import seed
from bench.results import Result, of_runs

ROUNDS = 3
ROWS = max(seed.ROWS * 2 // 5, 10_000)
MORE = 20_000  # rows for the filled table, after a checkpoint
BATCH = 10_000  # rows a transaction
VERSIONS = {"v4": "gen_random_uuid()", "v7": "uuidv7()"}

# The table as the service has it: its indexes, checks, foreign key and triggers. The triggers sleep
# while it is filled: they take most of the time, and the same for both.
_MAKE = """
    DROP TABLE IF EXISTS {table};
    CREATE TABLE {table} (LIKE payments INCLUDING ALL);
    ALTER TABLE {table} ALTER public_id SET DEFAULT {function},
        ADD FOREIGN KEY (account_id) REFERENCES accounts (id), SET (autovacuum_enabled = off);
    SELECT audit_table('{table}');
    CHECKPOINT;
"""
# Checkpoints come when this says so, else chance decides who pays for them.
_STEADY = {"checkpoint_timeout": "1h", "max_wal_size": "32GB"}
_INSERT = """
    INSERT INTO {table} (account_id, amount, currency, created_at)
    SELECT $1, 1 + n % 10000, 'USD', clock_timestamp() FROM generate_series(1, $2::int) AS n
"""
_INDEXES = """
    SELECT regexp_replace(indexrelid::regclass::text, '^.*_(page|created).*$', 'page')
           AS name, pg_get_indexdef(indexrelid) AS definition, pg_relation_size(indexrelid) AS bytes
    FROM pg_index WHERE indrelid = '{table}'::regclass
"""


async def fill(connection: asyncpg.Connection, version: str, rows: int) -> dict[str, float]:
    """Fill a new table with one kind of ids; what that cost."""
    table = f"payments_{version}"
    await connection.execute(_MAKE.format(table=table, function=VERSIONS[version]))
    owner = await connection.fetchval("SELECT id FROM accounts WHERE name = $1", seed.ACCOUNT)
    insert = _INSERT.format(table=table)
    found = await _cost(connection, insert, owner, rows)
    for index in await connection.fetch(_INDEXES.format(table=table)):
        if "(public_id)" in index["definition"]:
            found["index on public_id, bytes"] = float(index["bytes"])
        elif "public_id" in index["definition"]:
            found["index of the pages, bytes"] = float(index["bytes"])
    await connection.execute("CHECKPOINT")
    more = await _cost(connection, insert, owner, MORE)
    found |= {f"{MORE:,} more, {name}": cost for name, cost in more.items()}
    await connection.execute(f"DROP TABLE {table}")
    return found


async def _cost(
    connection: asyncpg.Connection, insert: str, owner: int, rows: int
) -> dict[str, float]:
    before = await connection.fetchval("SELECT pg_current_wal_insert_lsn()")
    began = time.perf_counter()
    for _ in range(rows // BATCH):
        await connection.execute(insert, owner, BATCH, timeout=None)
    seconds = time.perf_counter() - began
    wal = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1)::float8"
    return {"seconds": seconds, "WAL, bytes": await connection.fetchval(wal, before)}


async def compare(url: str) -> dict[str, list[dict[str, float]]]:
    """Fill both in turns, after a short round that does not count."""
    connection = await asyncpg.connect(url)
    await connection.execute("SET session_replication_role = replica")
    found: dict[str, list[dict[str, float]]] = {version: [] for version in VERSIONS}
    try:
        for name, value in _STEADY.items():
            await connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        await connection.execute("SELECT pg_reload_conf()")
        for version in VERSIONS:
            await fill(connection, version, BATCH)
        for _ in range(ROUNDS):
            for version in VERSIONS:
                found[version].append(await fill(connection, version, ROWS))
    finally:
        for name in _STEADY:
            await connection.execute(f"ALTER SYSTEM RESET {name}")
        await connection.execute("SELECT pg_reload_conf()")
    await connection.close()
    return found


def main() -> None:
    """Measure and report."""
    with seed.migrated() as url:
        seed.new_key()
        found = asyncio.run(compare(url))
    print(f"{ROWS:,} rows, {BATCH:,} a transaction, median of {ROUNDS} runs")
    costs: dict[str, dict[str, float]] = {}
    for cost in found["v4"][0]:
        runs = {version: [each[cost] for each in found[version]] for version in VERSIONS}
        costs[cost] = {version: statistics.median(runs[version]) for version in VERSIONS}
        scale, unit = (1.0, "s ") if cost.endswith("seconds") else (2.0**20, "MB")
        cells = [
            f"{version} {costs[cost][version] / scale:8.1f} {unit}"
            f" ({min(runs[version]) / scale:.1f} to {max(runs[version]) / scale:.1f})"
            for version in VERSIONS
        ]
        ratio = costs[cost]["v4"] / costs[cost]["v7"]
        print(f"{cost.removesuffix(', bytes'):<26} {cells[0]:<34} {cells[1]:<34} {ratio:.2f} x")
    figures = [
        of_runs(version, [each["seconds"] for each in found[version]]) for version in VERSIONS
    ]
    print(
        json.dumps(asdict(Result("public-ids", "s", figures, facts={"rows": ROWS, "costs": costs})))
    )


if __name__ == "__main__":
    main()
