"""Audited tables: an integer for joins, a UUID for everybody else, four columns of history.

The database keeps the columns true by triggers (`migrations/kit/`), so that a statement typed by
hand obeys as well. The hooks at the end are a net under the repository: what goes round it still
sees live rows only, and deletes none.
"""

from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    FetchedValue,
    ForeignKey,
    Identity,
    MetaData,
    Select,
    Text,
    event,
    inspect,
    select,
)
from sqlalchemy import func as sql
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedSQLExpression,
    ORMExecuteState,
    Session,
    column_property,
    declared_attr,
    mapped_column,
    with_loader_criteria,
)

FIRST, LAST = -1, 1

Row = TypeVar("Row")


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
    __mapper_args__: Any = {"eager_defaults": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, sort_order=FIRST
    )
    public_id: Mapped[UUID] = mapped_column(
        unique=True, server_default=sql.new_public_id(), sort_order=FIRST
    )
    created_at: Mapped[datetime] = mapped_column(server_default=sql.now(), sort_order=LAST)
    updated_at: Mapped[datetime] = mapped_column(
        server_default=sql.now(), server_onupdate=FetchedValue(), sort_order=LAST
    )
    deleted_at: Mapped[datetime | None] = mapped_column(sort_order=LAST)
    deleted_by: Mapped[str | None] = mapped_column(
        CheckConstraint("(deleted_at IS NULL) = (deleted_by IS NULL)", name="deletion"),
        server_default=FetchedValue(),  # else a second statement would ask for it
        server_onupdate=FetchedValue(),
        sort_order=LAST,
    )


class Resource(Audited):
    """A table that clients change: `version` moves with each change and is the ETag."""

    version: Mapped[int] = mapped_column(
        BigInteger, server_default="1", server_onupdate=FetchedValue(), sort_order=LAST
    )

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805
        """An UPDATE names the version that was read: a lost update is an error."""
        return {
            "eager_defaults": True,
            "version_id_col": cls.version,
            "version_id_generator": False,
        }


class Owned(Resource):
    """A resource that belongs to the account that created it."""

    account_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("accounts.id"), sort_order=FIRST)


def public_id_of(parent: type[Audited], key: Mapped[Any]) -> MappedSQLExpression[Any]:
    """What the outside world calls the row of `parent` that the column `key` refers to.

    It is read with each row. Whoever writes `key` sets it as well (`repository.attached`).
    """
    table = inspect(parent).local_table  # not the model: that would ask for its live rows alone
    named = select(table.c.public_id).where(table.c.id == key).scalar_subquery()
    return column_property(named.correlate_except(table), expire_on_flush=False)


_LIVE_ONLY = with_loader_criteria(
    Audited, lambda cls: cls.deleted_at.is_(None), include_aliases=True
)


def live_only(statement: Select[Row]) -> Select[Row]:
    """`statement` as the hook below would make it at each use, for one that is built once."""
    return statement.options(_LIVE_ONLY).execution_options(kit_hides_deleted=True)


@event.listens_for(Session, "do_orm_execute")
def _live_rows_only(state: ORMExecuteState) -> None:
    """Hide deleted rows unless the statement asks: `execution_options(include_deleted=True)`."""
    if state.is_delete:
        raise InvalidRequestError("Rows are soft deleted: use the repository's delete()")
    hides = (state.is_select and not state.is_column_load) or state.is_update
    told = state.execution_options
    if hides and not (told.get("include_deleted", False) or told.get("kit_hides_deleted", False)):
        state.statement = state.statement.options(_LIVE_ONLY)


@event.listens_for(Session, "before_flush")
def _no_hard_delete(session: Session, *_: object) -> None:
    if any(isinstance(row, Audited) for row in session.deleted):
        raise InvalidRequestError("Rows are soft deleted: use the repository's delete()")
