"""Retention: rows that were deleted longer ago than RETENTION_DAYS leave the database for good.

A table's rows go after those that refer to them, in batches, each in a transaction of its own: a
purge that is killed has lost nothing and goes on where it was.
"""

import argparse

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from .database import engine
from .settings import KitSettings

BATCH = 1_000

# Audited tables with what refers to them: child table and its foreign key column.
_ROLE = text(
    "SELECT quote_ident(rolname) FROM pg_roles WHERE rolname = current_database() || '_purge'"
)
_TABLES = text("""
    SELECT audited.oid::regclass::text AS name,
           coalesce(array_agg(DISTINCT ARRAY[con.conrelid::regclass::text, att.attname::text])
               FILTER (WHERE con.oid IS NOT NULL), '{}') AS children
    FROM pg_class audited
    JOIN pg_attribute del ON del.attrelid = audited.oid AND del.attname = 'deleted_at'
    LEFT JOIN pg_constraint con ON con.confrelid = audited.oid AND con.contype = 'f'
    LEFT JOIN pg_attribute att ON att.attrelid = con.conrelid AND att.attnum = con.conkey[1]
    WHERE audited.relkind = 'r' AND audited.relnamespace = 'public'::regnamespace
    GROUP BY audited.oid
""")


# What is no record of business, and when a row of it means nothing any more.
_PASSING = {"idempotency_key": "expires_at", "rate_limit": "full_at"}


async def run(_: argparse.Namespace, settings: KitSettings) -> None:
    """Purge what has expired, then every audited table, and say how many rows went."""
    await _purge_passing(settings)
    if settings.retention_days == 0:
        print("RETENTION_DAYS is 0: deleted rows are kept for ever")
        return
    owner = engine(settings.owner_url, {"application_name": "purge", "lock_timeout": "2000"})
    async with owner.connect() as connection:
        role = await connection.scalar(_ROLE)
        tables = {row.name: row.children for row in await connection.execute(_TABLES)}
        await connection.commit()
        for name in _children_first(tables):
            purged = 0
            while batch := await _purge(connection, name, tables[name], settings, role):
                purged += batch
            print(f"{name}: {purged}")
    await owner.dispose()


async def _purge_passing(settings: KitSettings) -> None:
    """Remove answers that are replayed no more and full buckets. Reading checks both: no hurry."""
    application = engine(settings.database_url.get_secret_value(), {"application_name": "purge"})
    async with application.connect() as connection:
        for table, time in _PASSING.items():
            purged = 0
            while True:
                async with connection.begin():
                    batch = (await connection.execute(_expired(table, time))).rowcount
                purged += batch
                if batch < BATCH:
                    break
            print(f"{table}: {purged}")
    await application.dispose()


def _expired(table: str, time: str) -> TextClause:
    """Delete one batch of rows whose `time` has passed; what is in use stays for the next purge."""
    # checklist: allow[hard-delete] they are no record of business
    return text(f"""
        DELETE FROM {table} WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM {table} WHERE {time} < now()
            ORDER BY {time} LIMIT {BATCH} FOR UPDATE SKIP LOCKED))
    """)  # noqa: S608


async def _purge(
    connection: AsyncConnection,
    table: str,
    children: list[list[str]],
    settings: KitSettings,
    role: str | None,
) -> int:
    """Remove one batch of `table`; rows that something still refers to stay."""
    free = "".join(
        f" AND NOT EXISTS (SELECT FROM {child} WHERE {child}.{key} = doomed.id)"
        for child, key in children
    )
    async with connection.begin():
        if role is not None:
            await connection.exec_driver_sql(f"SET LOCAL ROLE {role}")
        await connection.exec_driver_sql("SET LOCAL app.purge = 'on'")
        # Table and column names come from the catalog, quoted by the server.
        # checklist: allow[hard-delete] rows that were soft deleted longer ago than RETENTION_DAYS
        result = await connection.execute(
            text(
                f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} doomed"  # noqa: S608
                " WHERE deleted_at < now() - make_interval(days => :days)"
                f"{free} ORDER BY id LIMIT {BATCH} FOR UPDATE SKIP LOCKED)"
            ),
            {"days": settings.retention_days},
        )
    return result.rowcount


def _children_first(tables: dict[str, list[list[str]]]) -> list[str]:
    """The tables, each after those that refer to it, as far as they form no circle."""
    ordered: list[str] = []
    met: set[str] = set()

    def visit(name: str) -> None:
        if name in tables and name not in met:
            met.add(name)
            for child, _ in tables[name]:
                visit(child)
            ordered.append(name)

    for name in sorted(tables):
        visit(name)
    return ordered
