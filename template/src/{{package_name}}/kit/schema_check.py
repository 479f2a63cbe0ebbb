"""A process does not start on a schema that lacks what its models name; a newer one suits it.

Looked at once: while a migration runs before its roll-out, old processes go on.
"""

import logging

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from .audit import Base
from .database import Database, DatabaseUnreachable
from .settings import UnsafeSettings

log = logging.getLogger(__name__)

# Limits are kept in the process while their store does not answer, for whatever reason.
_DISPENSABLE = {"rate_limit"}
_COLUMNS = text("""
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = ANY (current_schemas(false))
""")


async def refuse_old(database: Database) -> None:
    """Raise `UnsafeSettings` for a table or column that is not there; readiness tells the rest."""
    try:
        async with database.read_only() as connection:
            there = {tuple(row) for row in await connection.execute(_COLUMNS)}
    except (SQLAlchemyError, DatabaseUnreachable) as error:
        log.warning("the schema was not looked at: %s", type(error).__name__)
        return
    needed = {
        (table.name, column.name)
        for table in Base.metadata.tables.values()
        if table.name not in _DISPENSABLE
        for column in table.columns
    }
    if missing := sorted(f"{table}.{column}" for table, column in needed - there):
        listed = ", ".join(missing[:5])
        raise UnsafeSettings(
            f"the schema lacks {listed}: run `alembic upgrade heads` (`make migrate` does)"
        )
