"""The rules of every table: whatever a migration makes is looked at in the database itself."""

import asyncpg
import pytest

from .catalog import Constraint, Table, inside, refuse
from .waivers import UNIQUE_FOR_EVER

MAKE_AN_AUDITED_TABLE = (
    "let the model inherit from Owned, Resource or Audited (kit/audit.py) and let"
    " `make migration` draft its table; a table that keeps no business data may have a waiver"
    " (tests/rules/waivers.py)"
)

DISABLED = "D"


def test_every_table_has_an_integer_key_for_joins_only(tables: list[Table]) -> None:
    broken = [
        f"{table.name}: id is not bigint GENERATED ALWAYS AS IDENTITY and the whole primary key"
        for table in tables
        if not (
            (key := table.columns.get("id"))
            and key.kind == "bigint"
            and key.is_identity
            and [index.columns for index in table.indexes if index.primary] == [["id"]]
        )
    ]
    refuse(broken, MAKE_AN_AUDITED_TABLE)


def test_every_table_has_a_public_id(tables: list[Table]) -> None:
    broken = [
        f"{table.name}: public_id is not uuid NOT NULL with a default, unique for ever"
        for table in tables
        if not (
            (key := table.columns.get("public_id"))
            and key.kind == "uuid"
            and key.required
            and key.default
            and any(
                index.unique and index.where is None and index.columns == ["public_id"]
                for index in table.indexes
            )
        )
    ]
    refuse(broken, MAKE_AN_AUDITED_TABLE)


@pytest.mark.rule("table-without-audit-columns")
def test_every_table_has_the_four_columns(tables: list[Table]) -> None:
    wanted = {
        "created_at": ("timestamp with time zone", True),
        "updated_at": ("timestamp with time zone", True),
        "deleted_at": ("timestamp with time zone", False),
        "deleted_by": ("text", False),
    }
    broken = [
        f"{table.name}: {name} is not {kind}{' NOT NULL with a default' if required else ''}"
        for table in tables
        for name, (kind, required) in wanted.items()
        if not (
            (column := table.columns.get(name))
            and column.kind == kind
            and column.required == required
            and (column.default is not None) == required
        )
    ]
    refuse(broken, MAKE_AN_AUDITED_TABLE)


def test_a_deletion_has_a_time_and_an_actor_or_neither(tables: list[Table]) -> None:
    paired = "CHECK (((deleted_at IS NULL) = (deleted_by IS NULL)))"
    broken = [
        f"{table.name}: lacks {paired}"
        for table in tables
        if paired not in [each.sql for each in table.constraints]
    ]
    refuse(broken, MAKE_AN_AUDITED_TABLE)


def test_every_table_is_armed(tables: list[Table], database_url: str) -> None:
    """Arming a table again would change nothing: all its triggers are there, and enabled."""
    armable = {"id", "public_id", "created_at", "deleted_at"}
    names = [table.name for table in tables if armable <= table.columns.keys()]

    async def triggers(connection: asyncpg.Connection) -> dict[str, str]:
        return {
            f"{row['relname']}: the trigger {row['tgname']}": row["sql"]
            for row in await connection.fetch(
                "SELECT relname, tgname,"
                " pg_get_triggerdef(pg_trigger.oid) || tgenabled::text AS sql"
                " FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
                " WHERE starts_with(tgname, 'audit_') ORDER BY 1, 2"
            )
        }

    async def compare(connection: asyncpg.Connection) -> list[str]:
        found = await triggers(connection)
        await connection.fetch(
            "SELECT audit_table(oid) FROM pg_class WHERE relname = ANY($1)"
            " AND relnamespace = 'public'::regnamespace",
            names,
        )
        wanted = await triggers(connection)
        return [
            f"{name} is {'missing' if name not in found else 'another, or disabled'}"
            for name, trigger in wanted.items()
            if found.get(name) != trigger or trigger.endswith(DISABLED)
        ]

    refuse(
        inside(database_url, compare),
        "end the migration that makes the table, or gives it a foreign key, with"
        " op.execute(\"SELECT audit_table('its_name')\")",
    )


def test_a_foreign_key_deletes_nothing_and_waits_for_nothing(tables: list[Table]) -> None:
    broken = [
        f"{table.name}: {key.name} is {key.sql}"
        for table in tables
        for key in table.foreign_keys
        if {key.on_delete, key.on_update} - set("ar") or key.deferrable
    ]
    refuse(broken, "leave ON DELETE, ON UPDATE and DEFERRABLE out: rows are deleted softly")


def test_a_foreign_key_is_one_indexed_column_that_refers_to_an_id(tables: list[Table]) -> None:
    """Who deletes or purges a row asks, by that column, whether another one refers to it."""

    def holds(table: Table, key: Constraint) -> bool:
        leading = [index.columns[0] for index in table.indexes if index.valid]
        return key.parent_columns == ["id"] and key.columns[0] in leading

    broken = [
        f"{table.name}: {key.name} is {key.sql}"
        for table in tables
        for key in table.foreign_keys
        if not holds(table, key)
    ]
    refuse(broken, "refer to id with one column, and give it an index that starts with it")


def test_what_is_unique_is_unique_among_live_rows(tables: list[Table]) -> None:
    broken = [
        f"{table.name}: {index.name} on {', '.join(index.columns)} counts deleted rows"
        for table in tables
        for index in table.indexes
        if index.unique
        and not index.primary
        and index.columns != ["public_id"]
        and index.name not in UNIQUE_FOR_EVER
        and "(deleted_at IS NULL)" not in (index.where or "")
    ]
    refuse(
        broken,
        "declare Index(…, unique=True, postgresql_where=text('deleted_at IS NULL')), so that a"
        " value can be used again once its row is deleted",
    )


def test_the_owner_leads_what_is_unique_and_what_is_paged(tables: list[Table]) -> None:
    broken = []
    for table in tables:
        if owner := table.columns.get("account_id"):
            parents = {key.parent for key in table.foreign_keys if key.columns == ["account_id"]}
            if not owner.required or parents != {"accounts"}:
                broken.append(f"{table.name}: account_id is not NOT NULL REFERENCES accounts")
            broken += [
                f"{table.name}: {index.name} starts with {index.columns[0]}"
                for index in table.indexes
                if (index.unique or {"created_at", "public_id"} <= set(index.columns))
                and not index.primary
                and index.columns not in (["public_id"], ["id"])
                and index.columns[0] != "account_id"
                and index.name not in UNIQUE_FOR_EVER
            ]
    refuse(
        broken,
        "put account_id first: accounts share neither values nor pages, and a page reads the"
        " rows of one account only",
    )


def test_every_index_answers_queries(all_tables: list[Table]) -> None:
    broken = [
        f"{table.name}: {index.name} is INVALID"
        for table in all_tables
        for index in table.indexes
        if not index.valid
    ]
    refuse(broken, "build it with kit.migrations.concurrent_index, which mends a failed attempt")


def test_every_time_knows_its_zone(all_tables: list[Table]) -> None:
    broken = [
        f"{table.name}: {name} is {column.kind}"
        for table in all_tables
        for name, column in table.columns.items()
        if column.kind.endswith("without time zone")
    ]
    refuse(broken, "declare Mapped[datetime], which is timestamptz here: DateTime(timezone=True)")


def test_no_column_counts_by_a_sequence_of_its_own(all_tables: list[Table]) -> None:
    broken = [
        f"{table.name}: {name} takes {column.default}"
        for table in all_tables
        for name, column in table.columns.items()
        if "nextval(" in (column.default or "")
    ]
    refuse(broken, "declare Identity(always=True) in place of serial")


@pytest.mark.rule("hard-delete")
def test_the_application_may_not_delete(tables: list[Table], database_url: str) -> None:
    """As far as granting goes: the role is made, granted what it gets, and undone."""

    async def look(connection: asyncpg.Connection) -> list[str]:
        role = f"{await connection.fetchval('SELECT current_database()')}_app"
        await connection.execute(f'CREATE ROLE "{role}" NOLOGIN')
        await connection.execute("SELECT audit_grant()")
        granted = "SELECT has_table_privilege($1, quote_ident($2), $3)"
        return [
            f"{table.name}: the application {'may' if has else 'may not'} {privilege}"
            for table in tables
            for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
            if (has := await connection.fetchval(granted, role, table.name, privilege))
            != (privilege in {"SELECT", "INSERT", "UPDATE"})
        ]

    refuse(inside(database_url, look), "grant and revoke nothing in migrations: audit_grant() does")
