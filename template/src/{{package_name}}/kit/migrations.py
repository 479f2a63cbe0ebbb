"""Steps of a migration that a busy database bears: each is a transaction, or many, of its own.

A step that was interrupted can be run again: it goes on, or begins anew, and leaves nothing behind.
It may take as long as it needs, because it holds nobody up meanwhile.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic import op
from alembic.util import CommandError
from sqlalchemy import text

_HAS_WRITTEN = text("SELECT pg_current_xact_id_if_assigned()::text")
_INVALID = text("""
    SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(quote_ident(:name)) AND NOT indisvalid
""")
_MEANT = "-- squawk-ignore ban-drop-constraint\n"


@contextmanager
def _alone(*without: str) -> Iterator[None]:
    """Leave the migration's transaction, and lift these time-outs, until the end."""
    if not op.get_context().as_sql and op.get_bind().scalar(_HAS_WRITTEN):
        raise CommandError(
            "This step stands outside the migration's transaction, which has changed something"
            " already and could not be run again: give the step a revision of its own"
        )
    with op.get_context().autocommit_block():
        for timeout in without:
            op.execute(f"SET {timeout} = 0")
        yield
        for timeout in without:
            op.execute(f"RESET {timeout}")


def concurrent_index(name: str, table: str, columns: list[Any], **options: Any) -> None:  # noqa: ANN401
    """`op.create_index` while others write to the table; `options` are that function's.

    What a failed attempt left is INVALID (it costs every write and answers no query) and goes.
    """
    with _alone("lock_timeout", "statement_timeout"):
        if not op.get_context().as_sql and op.get_bind().scalar(_INVALID, {"name": name}):
            op.drop_index(name, table, postgresql_concurrently=True)
        op.create_index(
            name, table, columns, postgresql_concurrently=True, if_not_exists=True, **options
        )


def drop_concurrent_index(name: str, table: str) -> None:
    """`op.drop_index` while others use the table."""
    with _alone("lock_timeout", "statement_timeout"):
        op.drop_index(name, table, postgresql_concurrently=True, if_exists=True)


def reference(table: str, column: str, parent: str) -> None:
    """Make `column` refer to the `id` of `parent`, with the index and the trigger that it needs.

    Others go on writing while the rows are looked at.
    """
    concurrent_index(f"ix_{table}_{column}", table, [column])
    with _alone("statement_timeout"):
        foreign_key = f"FOREIGN KEY ({column}) REFERENCES {parent} (id)"
        _constrain(table, f"fk_{table}_{column}", foreign_key)
        op.execute(f"SELECT audit_table('{table}')")


def drop_reference(table: str, column: str) -> None:
    """Undo `reference`."""
    drop_concurrent_index(f"ix_{table}_{column}", table)
    with _alone():
        op.execute(f"DROP TRIGGER IF EXISTS audit_parent_{column} ON {table}")
        op.execute(f"{_MEANT}ALTER TABLE {table} DROP CONSTRAINT IF EXISTS fk_{table}_{column}")


def backfill(table: str, values: str, *, where: str, batch: int = 1_000) -> None:
    """`UPDATE table SET values WHERE where`, in batches in the order of `id`.

    `where` has to be false for a row that is filled: so a backfill that was stopped goes on. Rows
    that are made meanwhile are up to the version that runs: it has to fill them itself by then.
    """
    statement = (
        f"WITH batch AS (SELECT id FROM {table} WHERE id > $1 AND ({where}) ORDER BY id"  # noqa: S608
        f" LIMIT {batch} FOR UPDATE), filled AS (UPDATE {table} SET {values} FROM batch"
        f" WHERE {table}.id = batch.id) SELECT max(id) FROM batch"
    )
    with _alone():
        if op.get_context().as_sql:
            op.execute("-- Repeat this until it answers null.\n" + statement.replace("$1", "0"))
            return
        last: int | None = 0
        while last is not None:
            last = op.get_bind().exec_driver_sql(statement, (last,)).scalar()


def require(table: str, column: str) -> None:
    """Make `column` NOT NULL; others go on writing while its rows are looked at."""
    check = f"ck_{table}_{column}_required"
    with _alone("statement_timeout"):
        _constrain(table, check, f"CHECK ({column} IS NOT NULL)")
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL")
        op.execute(f"{_MEANT}ALTER TABLE {table} DROP CONSTRAINT {check}")


def _constrain(table: str, name: str, rule: str) -> None:
    """Add a constraint in two steps, of which the slow one locks nobody out."""
    op.execute(f"{_MEANT}ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {rule} NOT VALID")
    op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
