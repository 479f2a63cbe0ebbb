"""What goes round the repository: the ORM's own ways to read, change and delete rows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from orders.kit.audit import live_only
from orders.kit.auth import Caller
from orders.kit.database import WriteSession
from orders.kit.errors import Problem
from orders.kit.repository import Repository
from orders.kit.unit_of_work import UnitOfWork
from orders.modules.customers.models import Customer, Invoice
from orders.modules.customers.routes import customers, invoices
from sqlalchemy import bindparam, delete, exists, func, inspect, select, text, union_all, update
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import (
    aliased,
    immediateload,
    joinedload,
    lazyload,
    selectinload,
    subqueryload,
)

pytestmark = pytest.mark.anyio

# Loads in a statement of its own when it is touched, which asyncio allows in `run_sync` only.
TOUCH: dict[str, Callable[[Any], Any]] = {
    "joined": joinedload,
    "selectin": selectinload,
    "subquery": subqueryload,
    "immediate": immediateload,
    "lazy": lazyload,
}
strategies = pytest.mark.parametrize("load", TOUCH.values(), ids=TOUCH)


@dataclass
class Family:
    """Two customers, one of them deleted; the other has three invoices, one of them deleted."""

    live: Customer
    dead: Customer
    numbers: list[int]
    dead_invoice: Invoice


@pytest.fixture
async def family(session: WriteSession, caller: Caller) -> Family:
    """In a transaction that no test commits."""
    live = await customers.add(session, caller, Customer(name="live"))
    dead = await customers.add(session, caller, Customer(name="dead"))
    first = caller.account_id * 10
    made = [
        await invoices.add(session, caller, Invoice(customer_id=live.id, number=first + n))
        for n in range(3)
    ]
    await invoices.delete(session, caller, made[1].public_id)
    await customers.delete(session, caller, dead.public_id)
    session.expunge_all()
    return Family(live, dead, [first, first + 2], made[1])


def mine(caller: Caller, model: Any = Customer) -> Any:
    return model.account_id == caller.account_id


def numbers(customer: Customer) -> list[int]:
    return sorted(invoice.number for invoice in customer.invoices)


async def test_a_select_sees_live_rows(
    session: WriteSession, family: Family, caller: Caller
) -> None:
    assert [row.name for row in await session.scalars(select(Customer).where(mine(caller)))] == [
        "live"
    ]
    names = select(Customer.name).where(mine(caller))
    assert (await session.scalars(names)).all() == ["live"]


async def test_a_count_counts_live_rows(
    session: WriteSession, family: Family, caller: Caller
) -> None:
    counts = [
        select(func.count(Customer.id)).where(mine(caller)),
        select(func.count()).select_from(Customer).where(mine(caller)),
        select(func.count()).select_from(select(Customer).where(mine(caller)).subquery()),
    ]
    assert [await session.scalar(count) for count in counts] == [1, 1, 1]


async def test_exists_is_about_live_rows(
    session: WriteSession, family: Family, caller: Caller
) -> None:
    assert await session.scalar(select(exists().where(Customer.id == family.live.id)))
    assert not await session.scalar(select(exists().where(Customer.id == family.dead.id)))
    billed = select(Customer).where(mine(caller), Customer.invoices.any(Invoice.number > 0))
    assert (await session.scalars(billed)).all()
    gone = Customer.invoices.any(Invoice.id == family.dead_invoice.id)
    assert not (await session.scalars(select(Customer).where(mine(caller), gone))).all()


async def test_a_subquery_sees_live_rows(
    session: WriteSession, family: Family, caller: Caller
) -> None:
    ids = select(Invoice.customer_id).where(Invoice.id == family.dead_invoice.id)
    assert not (await session.scalars(select(Customer).where(Customer.id.in_(ids)))).all()
    latest = select(func.count(Invoice.id)).where(Invoice.customer_id == Customer.id)
    counted = select(latest.scalar_subquery()).where(Customer.id == family.live.id)
    assert await session.scalar(counted) == 2


@pytest.mark.parametrize("outer", [False, True])
async def test_a_join_meets_live_rows(
    session: WriteSession, family: Family, caller: Caller, outer: bool
) -> None:
    joined = select(Invoice.number).select_from(Customer).join(Customer.invoices, isouter=outer)
    found = await session.scalars(joined.where(mine(caller)).order_by(Invoice.number))
    assert found.all() == family.numbers


async def test_an_alias_sees_live_rows(
    session: WriteSession, family: Family, caller: Caller
) -> None:
    other = aliased(Customer)
    assert (await session.scalars(select(other.name).where(mine(caller, other)))).all() == ["live"]


async def test_a_common_table_expression_sees_live_rows(
    session: WriteSession, family: Family, caller: Caller
) -> None:
    found = select(Customer.name).where(mine(caller)).cte()
    assert (await session.scalars(select(found.c.name))).all() == ["live"]


async def test_a_union_sees_live_rows(
    session: WriteSession, family: Family, caller: Caller
) -> None:
    names = select(Customer.name).where(mine(caller))
    assert (await session.scalars(union_all(names, names))).all() == ["live", "live"]


async def test_a_lock_takes_live_rows(
    session: WriteSession, family: Family, caller: Caller
) -> None:
    locked = select(Customer.name).where(mine(caller)).with_for_update()
    assert (await session.scalars(locked)).all() == ["live"]


@strategies
@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept"])
async def test_children_are_live_rows_however_they_are_loaded(
    session: WriteSession, family: Family, load: Callable[[Any], Any], kept: bool
) -> None:
    """Of a statement built for one use, or as the repository keeps its own."""
    query = select(Customer).where(Customer.id == family.live.id).options(load(Customer.invoices))
    customer = (await session.scalars(live_only(query) if kept else query)).unique().one()
    assert await session.run_sync(lambda _: numbers(customer)) == family.numbers


async def test_a_kept_statement_sees_live_rows(session: WriteSession, family: Family) -> None:
    kept = live_only(select(Customer.name).where(Customer.id == bindparam("id")))
    for customer, names in ((family.live, ["live"]), (family.dead, []), (family.live, ["live"])):
        assert (await session.scalars(kept, {"id": customer.id})).all() == names
    joined = select(Invoice.number).select_from(Customer).join(Customer.invoices)
    kept = live_only(joined.where(Customer.id == family.live.id).order_by(Invoice.number))
    assert (await session.scalars(kept)).all() == family.numbers


async def test_children_of_what_the_repository_finds_are_live_rows(
    session: WriteSession, family: Family, caller: Caller
) -> None:
    customer = await customers.get(session, caller, family.live.public_id)
    assert await session.run_sync(lambda _: numbers(customer)) == family.numbers


async def test_children_of_an_object_that_was_added_are_live_rows(
    session: WriteSession, family: Family, caller: Caller
) -> None:
    """No filtered query has loaded it, so that no option of one reaches its lazy loads."""
    customer = await customers.add(session, caller, Customer(name="new"))
    for n in range(2):
        number = caller.account_id * 10 + 5 + n
        row = Invoice(customer_id=customer.id, number=number)
        await invoices.add(session, caller, row)
        if n:
            await invoices.delete(session, caller, row.public_id)
    session.expire(customer, ["invoices"])
    assert await session.run_sync(lambda _: numbers(customer)) == [caller.account_id * 10 + 5]


async def test_children_of_a_merged_object_are_live_rows(
    session: WriteSession, family: Family
) -> None:
    merged = await session.merge(family.live, load=False)
    session.expire(merged, ["invoices"])
    assert await session.run_sync(lambda _: numbers(merged)) == family.numbers


@strategies
async def test_a_deleted_parent_is_none_however_it_is_loaded(
    session: WriteSession, family: Family, caller: Caller, load: Callable[[Any], Any]
) -> None:
    """It takes deleted children: a parent with live ones cannot be deleted."""
    for number in family.numbers:
        row = await session.scalar(select(Invoice).where(Invoice.number == number))
        assert row is not None
        await invoices.delete(session, caller, row.public_id)
    await customers.delete(session, caller, family.live.public_id)
    session.expunge_all()
    query = (
        select(Invoice)
        .where(Invoice.id == family.dead_invoice.id)
        .options(load(Invoice.customer))
        .execution_options(include_deleted=True)
    )
    invoice = (await session.scalars(query)).one()
    parent = await session.run_sync(lambda _: invoice.customer)
    # Deleted rows were asked for by name, and the option goes with the loads of that statement.
    assert parent is None or parent.deleted_at is not None
    session.expire(invoice, ["customer"])
    session.expunge(parent) if parent is not None else None
    assert await session.run_sync(lambda _: invoice.customer) is None


async def test_get_by_primary_key_sees_live_rows(session: WriteSession, family: Family) -> None:
    assert await session.get(Customer, family.live.id) is not None
    assert await session.get(Customer, family.dead.id) is None


async def test_a_refresh_of_a_deleted_row_still_works(
    session: WriteSession, family: Family, caller: Caller
) -> None:
    customer = await customers.get(session, caller, family.live.public_id)
    for number in family.numbers:
        row = await session.scalar(select(Invoice).where(Invoice.number == number))
        assert row is not None
        await invoices.delete(session, caller, row.public_id)
    await customers.delete(session, caller, family.live.public_id)
    await session.refresh(customer)
    assert customer.deleted_by == "tester"
    session.expire(customer, ["name"])
    assert await session.run_sync(lambda _: customer.name) == "live"
    session.expire(customer)
    assert await session.run_sync(lambda _: customer.name) == "live"


async def test_the_repository_does_not_find_what_this_session_has_deleted(
    session: WriteSession, family: Family, caller: Caller
) -> None:
    """The identity map still holds the object, as it was."""
    invoice = await session.scalar(select(Invoice).where(Invoice.number == family.numbers[0]))
    assert invoice is not None
    await invoices.delete(session, caller, invoice.public_id)
    with pytest.raises(Problem, match="not-found"):
        await invoices.get(session, caller, invoice.public_id)
    assert inspect(invoice).persistent


async def test_the_repository_does_not_find_what_was_loaded_with_the_deleted_rows(
    session: WriteSession, family: Family, caller: Caller
) -> None:
    found = await customers.get(session, caller, family.dead.public_id, include_deleted=True)
    assert found.deleted_by == "tester"
    with pytest.raises(Problem, match="not-found"):
        await customers.get(session, caller, family.dead.public_id)


async def test_a_restored_row_is_returned_as_it_is_now(
    session: WriteSession, family: Family, caller: Caller
) -> None:
    """Though the session has it in its identity map, as it was."""
    before = await customers.get(session, caller, family.dead.public_id, include_deleted=True)
    version = before.version
    after = await customers.restore(session, caller, family.dead.public_id)
    assert (after.deleted_at, after.deleted_by, after.version) == (None, None, version + 1)


async def test_deleted_rows_are_seen_by_those_who_ask_by_name(
    session: WriteSession, family: Family, caller: Caller
) -> None:
    query = select(Customer.name).where(mine(caller)).order_by(Customer.name)
    found = await session.scalars(query.execution_options(include_deleted=True))
    assert found.all() == ["dead", "live"]


async def test_a_bulk_update_leaves_deleted_rows_alone(
    session: WriteSession, family: Family, caller: Caller
) -> None:
    changed = update(Customer).where(mine(caller)).values(name="changed").returning(Customer.id)
    assert (await session.scalars(changed)).all() == [family.live.id]


async def test_a_bulk_delete_is_refused(session: WriteSession, family: Family) -> None:
    with pytest.raises(InvalidRequestError, match="soft deleted"):
        await session.execute(delete(Customer).where(Customer.id == family.live.id))


async def test_deleting_an_object_is_refused(
    session: WriteSession, family: Family, caller: Caller
) -> None:
    await session.delete(await customers.get(session, caller, family.live.public_id))
    with pytest.raises(InvalidRequestError, match="soft deleted"):
        await session.flush()


async def test_deleted_by_is_who_acts_whatever_the_object_says(
    session: WriteSession, family: Family, caller: Caller
) -> None:
    customer = await customers.add(session, caller, Customer(name="forged"))
    customer.deleted_at, customer.deleted_by = func.clock_timestamp(), "mallory"
    await session.flush()
    await session.refresh(customer)
    assert customer.deleted_by == "tester"


async def test_a_row_cannot_be_born_deleted_by_somebody_else(
    session: WriteSession, family: Family, caller: Caller
) -> None:
    born = Customer(name="born", deleted_at=func.now(), deleted_by="mallory")
    await customers.add(session, caller, born)
    await session.refresh(born)
    assert born.deleted_by != "mallory"


async def test_two_changes_in_one_session_know_each_others_version(
    session: WriteSession, family: Family, caller: Caller
) -> None:
    """The trigger moves the version, and the statement brings it back."""
    customer = await customers.get(session, caller, family.live.public_id)
    for version in (1, 2, 3):
        assert customer.version == version
        customer.name = f"version {version + 1}"
        await session.flush()


async def test_a_change_of_a_row_that_was_read_earlier_sees_its_present_version(
    unit: UnitOfWork, session: WriteSession, family: Family, caller: Caller
) -> None:
    """Read, then changed behind the session's back, then changed through the repository."""
    customer = await customers.get(session, caller, family.live.public_id)
    connection = await unit.write_connection()
    await connection.execute(
        text("UPDATE customers SET name = 'behind' WHERE id = :id"), {"id": customer.id}
    )
    over = {"name": "over"}
    with pytest.raises(Problem, match="precondition-failed"):
        await customers.change(session, caller, customer.public_id, over, frozenset({1}))
    changed = await customers.change(session, caller, customer.public_id, over, frozenset({2}))
    assert changed.version == 3


def test_a_repository_that_sees_less_in_some_of_its_queries_is_refused() -> None:
    with pytest.raises(TypeError, match="Narrowed may not change visible"):

        class Narrowed(Repository[Customer]):
            def visible(self, *_: object, **__: object) -> Any:  # type: ignore[misc]
                return select(Customer).where(Customer.name == "mine")
