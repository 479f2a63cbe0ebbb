"""Audited tables: an integer for joins, a UUID for everybody else, four columns of history.

The database keeps the columns true by triggers (`migrations/kit/`), so that a statement typed by
hand obeys as well.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, FetchedValue, Identity, MetaData, Text
from sqlalchemy import func as sql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

FIRST, LAST = -1, 1


class Base(DeclarativeBase):
    """The one registry of this service's tables; constraints are named, so migrations can."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map = {datetime: DateTime(timezone=True), str: Text}  # noqa: RUF012


class Audited:
    """Columns of every table. `id` never leaves the service; `public_id` never joins."""

    # Columns that the database computes come back with the statement that changed them: reading
    # them later would be a hidden query, which asyncio does not allow.
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, sort_order=FIRST
    )
    public_id: Mapped[UUID] = mapped_column(
        unique=True, server_default=sql.gen_random_uuid(), sort_order=FIRST
    )
    created_at: Mapped[datetime] = mapped_column(server_default=sql.now(), sort_order=LAST)
    updated_at: Mapped[datetime] = mapped_column(
        server_default=sql.now(), server_onupdate=FetchedValue(), sort_order=LAST
    )
    deleted_at: Mapped[datetime | None] = mapped_column(sort_order=LAST)
    deleted_by: Mapped[str | None] = mapped_column(
        CheckConstraint("(deleted_at IS NULL) = (deleted_by IS NULL)", name="deletion"),
        sort_order=LAST,
    )
