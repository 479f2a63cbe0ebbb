"""The one door to a table: live rows of the caller's own account, deleted softly, restored.

`include_deleted` has to be asked for by name.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from typing import Any, Generic, TypeAlias, TypeVar, final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, select, update
from sqlalchemy import func as sql

from .audit import Owned, Resource, live_only
from .auth import Account, Caller
from .database import ReadSession, WriteSession
from .errors import Problem
from .pagination import Keyset, Page, PageRequest

Row = TypeVar("Row", bound=Resource)

# The versions of a row that a change is meant for; None means whichever it has.
Versions: TypeAlias = frozenset[int] | None

# How a module finds one of its rows for another module: its service's `get`.
Find: TypeAlias = Callable[[WriteSession, Caller, UUID], Awaitable[Resource]]

# What decides which rows somebody sees.
_VISIBILITY = {"visible", "_rows", "_of", "_owned_by", "_one", "_build_one"}

# What a session has read before is read again, not handed out as it was then.
_AS_STORED = {"populate_existing": True}


class Repository(Generic[Row]):
    """What every resource can do. A module adds its own queries in a subclass.

    Whose rows are seen is said here alone: `get` keeps its statement and does not ask again, so
    that a subclass would narrow half of what is read. It is refused.
    """

    def __init__(self, model: type[Row]) -> None:
        self._model = model
        self._keyset: Keyset[Row] = Keyset(model.created_at, model.public_id)
        self._one: Callable[[bool, bool], Select[Row]] = cache(self._build_one)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if changed := _VISIBILITY & vars(cls).keys():
            raise TypeError(f"{cls.__name__} may not change {' and '.join(sorted(changed))}")

    @final
    def visible(self, caller: Caller, *, include_deleted: bool = False) -> Select[Row]:
        """The rows that `caller` may see: where every query of a module starts."""
        return self._rows(self._of(caller), include_deleted)

    def _rows(self, whose: Sequence[ColumnElement[bool]], include_deleted: bool) -> Select[Row]:
        statement = select(self._model).where(*whose)
        if include_deleted:
            return statement.execution_options(include_deleted=True)
        return statement.where(self._model.deleted_at.is_(None))

    def _of(self, caller: Caller) -> Sequence[ColumnElement[bool]]:
        """Whose rows: the caller's, except for support and for a table without owners."""
        return () if caller.sees_all else self._owned_by(caller.account_id)

    def _owned_by(self, account_id: object) -> Sequence[ColumnElement[bool]]:
        return (self._model.account_id == account_id,) if issubclass(self._model, Owned) else ()

    def _build_one(self, sees_all: bool, include_deleted: bool) -> Select[Row]:
        """The row with `public_id` that `account_id` may see: parameters, to be built only once.

        A statement built anew costs SQLAlchemy as much again as its own part of running it.
        """
        whose = () if sees_all else self._owned_by(bindparam("account_id"))
        statement = self._rows(whose, include_deleted)
        statement = statement.where(self._model.public_id == bindparam("public_id"))
        return statement if include_deleted else live_only(statement)

    async def get(
        self,
        session: ReadSession | WriteSession,
        caller: Caller,
        public_id: UUID,
        *,
        include_deleted: bool = False,
    ) -> Row:
        """The row with this public id. Raises `not-found`, for another account's row too."""
        row = await session.scalar(
            self._one(caller.sees_all, include_deleted),
            {"account_id": caller.account_id, "public_id": public_id},
            execution_options=_AS_STORED,
        )
        if row is None:
            raise Problem("not-found")
        return row

    async def page(
        self,
        session: ReadSession,
        caller: Caller,
        request: PageRequest,
        *,
        account: UUID | None = None,
    ) -> Page[Row]:
        """One page of the live rows of the caller's account, or of `account` for support."""
        statement = self.visible(caller)
        if issubclass(self._model, Owned) and (caller.sees_all or account is not None):
            # One account at a time for support too: the index that has the order starts with it.
            whose = select(Account.id).where(Account.public_id == (account or caller.account))
            statement = statement.where(self._model.account_id == whose.scalar_subquery())
        statement = self._keyset.select(statement, request)
        return self._keyset.page((await session.scalars(statement)).all(), request)

    async def add(self, session: WriteSession, caller: Caller, row: Row) -> Row:
        """Insert `row` for the caller's account. Raises `conflict` where a value is taken."""
        if isinstance(row, Owned):
            row.account_id = caller.account_id
        session.add(row)
        await session.flush()
        return row

    async def change(
        self,
        session: WriteSession,
        caller: Caller,
        public_id: UUID,
        values: Mapping[str, Any],
        versions: Versions,
    ) -> Row:
        """Set `values`. Raises `precondition-failed` unless the row has one of `versions`."""
        statement = self.visible(caller).where(self._model.public_id == public_id)
        row = await session.scalar(statement.with_for_update(), execution_options=_AS_STORED)
        if row is None:
            raise Problem("not-found")
        if versions is not None and row.version not in versions:
            raise Problem("precondition-failed")
        for name, value in values.items():
            setattr(row, name, value)
        await session.flush()
        return row

    async def delete(self, session: WriteSession, caller: Caller, public_id: UUID) -> None:
        """Delete the row softly; deleting it again changes nothing."""
        await self._set_deleted(session, caller, public_id, sql.clock_timestamp())

    async def restore(self, session: WriteSession, caller: Caller, public_id: UUID) -> Row:
        """Bring a deleted row back. Raises `conflict` where a live row took its place."""
        await self._set_deleted(session, caller, public_id, None)
        return await self.get(session, caller, public_id)

    async def _set_deleted(
        self, session: WriteSession, caller: Caller, public_id: UUID, value: object
    ) -> None:
        """One statement; the table's triggers fill `deleted_by` and keep the first deletion."""
        changed = await session.execute(
            update(self._model)
            .where(self._model.public_id == public_id, *self._of(caller))
            .values(deleted_at=value)
            .returning(self._model.id)
            .execution_options(include_deleted=True, synchronize_session=False)
        )
        if changed.first() is None:
            raise Problem("not-found")


async def attached(
    session: WriteSession, caller: Caller, values: Mapping[str, Any], **parents: Find
) -> dict[str, Any]:
    """`values` for a row that refers to others: in `customer_id` comes a public id, goes an id.

    The public id stays, as `customer` (see `public_id_of`). Raises `conflict` for a row that is not
    there, or that the caller may not see. That both rows are of one account is up to a trigger.
    """
    found = dict(values)
    for name, find in parents.items():
        if (key := f"{name}_id") in found:
            found[name] = found[key]
            if found[name] is not None:
                found[key] = await _key(session, caller, key, found[name], find)
    return found


async def _key(session: WriteSession, caller: Caller, key: str, public_id: UUID, find: Find) -> int:
    try:
        return (await find(session, caller, public_id)).id
    except Problem as problem:
        if problem.name != "not-found":
            raise
    raise Problem("conflict", f"{key} refers to nothing that is there")
