"""The tables as PostgreSQL has them, which is not always as the models say."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import asyncpg
import pytest

Found = TypeVar("Found")


@dataclass(frozen=True)
class Column:
    """A column: its type as PostgreSQL spells it, and its default as an expression."""

    name: str
    kind: str
    required: bool
    default: str | None
    is_identity: bool


@dataclass(frozen=True)
class Index:
    """An index: its columns or expressions, and the rows that it holds (None: all)."""

    name: str
    columns: list[str]
    unique: bool
    primary: bool
    valid: bool
    where: str | None


@dataclass(frozen=True)
class Constraint:
    """A foreign key (`f`), a CHECK (`c`) or UNIQUE (`u`), as SQL; the rest is of foreign keys."""

    name: str
    kind: str
    sql: str
    columns: list[str]
    parent: str | None
    parent_columns: list[str]
    on_delete: str
    on_update: str
    deferrable: bool


@dataclass(frozen=True)
class Table:
    """A table with all that the rules ask about."""

    name: str
    columns: dict[str, Column] = field(default_factory=dict)
    indexes: list[Index] = field(default_factory=list)
    constraints: list[Constraint] = field(default_factory=list)

    @property
    def foreign_keys(self) -> list[Constraint]:
        """Its constraints that refer to another table."""
        return [each for each in self.constraints if each.kind == "f"]


_TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    ORDER BY relname
"""
_COLUMNS = """
    SELECT relname, attname AS name, format_type(atttypid, atttypmod) AS kind,
           attnotnull AS required, pg_get_expr(adbin, adrelid) AS default,
           attidentity = 'a' AS is_identity
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
    ORDER BY attnum
"""
_INDEXES = """
    SELECT owner.relname, pg_class.relname AS name, indisunique OR indisexclusion AS unique,
           indisprimary AS primary, indisvalid AS valid, pg_get_expr(indpred, indrelid) AS where,
           ARRAY(SELECT pg_get_indexdef(indexrelid, place, true)
                 FROM generate_series(1, indnkeyatts) AS place) AS columns
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    JOIN pg_class AS owner ON owner.oid = indrelid
    WHERE owner.relnamespace = 'public'::regnamespace
    ORDER BY name
"""
_CONSTRAINTS = """
    SELECT owner.relname, conname AS name, contype::text AS kind,
           pg_get_constraintdef(con.oid) AS sql,
           ARRAY(SELECT attname::text FROM unnest(conkey) AS key
                 JOIN pg_attribute ON attrelid = conrelid AND attnum = key) AS columns,
           parent.relname AS parent,
           ARRAY(SELECT attname::text FROM unnest(confkey) AS key
                 JOIN pg_attribute ON attrelid = confrelid AND attnum = key) AS parent_columns,
           confdeltype::text AS on_delete, confupdtype::text AS on_update,
           condeferrable AS deferrable
    FROM pg_constraint AS con JOIN pg_class AS owner ON owner.oid = conrelid
    LEFT JOIN pg_class AS parent ON parent.oid = confrelid
    WHERE owner.relnamespace = 'public'::regnamespace AND contype IN ('f', 'c', 'u')
    ORDER BY name
"""


async def read_tables(connection: asyncpg.Connection) -> dict[str, Table]:
    """Every table of the service by its name."""
    tables = {row["relname"]: Table(row["relname"]) for row in await connection.fetch(_TABLES)}

    async def rows(sql: str) -> list[tuple[Table, dict[str, Any]]]:
        found = [dict(row) for row in await connection.fetch(sql)]
        return [(tables[name], row) for row in found if (name := row.pop("relname")) in tables]

    for table, row in await rows(_COLUMNS):
        table.columns[row["name"]] = Column(**row)
    for table, row in await rows(_INDEXES):
        table.indexes.append(Index(**row))
    for table, row in await rows(_CONSTRAINTS):
        table.constraints.append(Constraint(**row))
    return tables


async def leftovers(connection: asyncpg.Connection) -> list[str]:
    """What there is in the schema."""
    found = await connection.fetch("""
        SELECT 'the table or sequence ' || relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S', 'v', 'm')
            AND relname <> 'alembic_version'
        UNION SELECT 'the function ' || proname FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace
        UNION SELECT 'the type ' || typname FROM pg_type
        WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')
        ORDER BY 1
    """)
    return [f"{name} is still there after the downgrade to base" for (name,) in found]


async def described(connection: asyncpg.Connection, schema: str) -> dict[str, str]:
    """The columns, indexes and constraints of a schema's tables, as PostgreSQL spells them."""
    found = await connection.fetch(
        """
        WITH tables AS (
            SELECT oid, relname FROM pg_class
            WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'p')
        )
        SELECT relname || ': the column ' || attname, concat_ws(
                   ' ', format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'NOT NULL' END,
                   'DEFAULT ' || pg_get_expr(adbin, adrelid), nullif(attidentity::text, '')
               )
        FROM tables JOIN pg_attribute ON attrelid = oid AND attnum > 0 AND NOT attisdropped
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        UNION ALL
        SELECT relname || ': the index ' || indexrelid::regclass,
               pg_get_indexdef(indexrelid, 0, true)
        FROM tables JOIN pg_index ON indrelid = oid
        UNION ALL
        SELECT relname || ': the constraint ' || conname, pg_get_constraintdef(pg_constraint.oid)
        FROM tables JOIN pg_constraint ON conrelid = tables.oid AND contype <> 'n'
        """,
        schema,
    )
    return dict(map(tuple, found))


def inside(url: str, work: Callable[[asyncpg.Connection], Awaitable[Found]]) -> Found:
    """What `work` finds in the database at `url`; whatever it changes there is undone."""

    async def run() -> Found:
        connection = await asyncpg.connect(url)
        try:
            transaction = connection.transaction()
            await transaction.start()
            try:
                return await work(connection)
            finally:
                await transaction.rollback()
        finally:
            await connection.close()

    return asyncio.run(run())


def refuse(broken: list[str], mend: str) -> None:
    """Fail with what breaks the rule, one a line, and how to mend it."""
    if broken:
        pytest.fail("\n".join(["", *broken, f"How to mend it: {mend}"]), pytrace=False)
