"""Routes of which each, but those that say so, breaks a rule."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from orders.kit.dependencies import (
    IDEMPOTENT,
    Calling,
    Paging,
    Precondition,
    Reading,
    Writing,
    idempotent_by_nature,
    open_to_everybody,
)
from orders.kit.framework import documented
from orders.kit.pagination import Keyset, Page, PageOf, PageRequest
from orders.kit.rate_limit import RateLimitPolicy, limited_by
from orders.kit.repository import Repository
from orders.kit.schemas import Input, Output
from pydantic import Field
from sqlalchemy import Select, select

from .models import Hoarder, Mutant

router = APIRouter(prefix="/mutants")
mutants = Repository(Mutant)
hoarders = Repository(Hoarder)
keyset: Keyset[Mutant] = Keyset(Mutant.created_at, Mutant.public_id)
body = documented("not-found", "conflict", "content-too-large", "unsupported-media-type")
change = body | documented("precondition-failed", "precondition-required")


class Name(Input):
    name: str


class Seen(Output):
    public_id: UUID


class Numbered(Seen):
    id: int


class Referring(Seen):
    customer_ids: Annotated[list[int], Field(max_length=5)]


class Nested(Seen):
    owner: Numbered | None


class Lines(Seen):
    lines: list[str]


MANY = PageOf[Seen]


# Nothing is wrong with these.


@router.get("/good", response_model=MANY)
async def good(caller: Calling, session: Reading, paging: Paging) -> dict[str, object]:
    return (await mutants.page(session, caller, paging)).body()


@router.get("/open")
@open_to_everybody("a load balancer asks")
async def is_open() -> str:
    return "ok"


@router.patch("/careful/{public_id}", response_model=Seen, responses=change)
async def careful(public_id: UUID, new: Name, versions: Precondition) -> Any: ...


@router.post("/once", responses=body, dependencies=[IDEMPOTENT])
async def once(new: Name) -> str: ...


@router.post("/settled", responses=body, openapi_extra=idempotent_by_nature("it stays settled"))
async def settled(new: Name) -> str: ...


@router.put("/set/{public_id}", responses=body)
async def put(public_id: UUID, new: Name) -> str: ...


@router.get("/exports")
@limited_by(RateLimitPolicy("exports", 10), cost=2)
async def exports() -> str: ...


# Limits.


@router.get("/other-exports")
@limited_by(RateLimitPolicy("exports", 11))
async def other_exports() -> str: ...


# Numbers.


@router.get("/numbered", response_model=Numbered)
async def numbered() -> Any: ...


@router.get("/referring", response_model=Referring)
async def referring() -> Any: ...


@router.get("/nested", response_model=Nested)
async def nested() -> Any: ...


@router.get("/of-account/{account_id}", responses=documented("not-found"))
async def of_account(account_id: int) -> str: ...


@router.get("/asked")
async def asked(order_id: Annotated[int | None, Query()] = None) -> str: ...


# Lists without a bound.


@router.get("/bare", response_model=list[Seen])
async def bare() -> Any: ...


@router.get("/huge", response_model=MANY)
async def huge(
    caller: Calling,
    session: Reading,
    request: Request,
    limit: Annotated[int, Query(le=5_000)] = 20,
    cursor: str | None = None,
) -> dict[str, object]:
    paging = PageRequest(limit, True, None, b"", request.url)
    return (await mutants.page(session, caller, paging)).body()


@router.get("/inside/{public_id}", response_model=Lines, responses=documented("not-found"))
async def inside(public_id: UUID) -> Any: ...


@router.get("/no-cursor", response_model=MANY)
async def no_cursor(limit: Annotated[int, Query(le=100)] = 20) -> Any: ...


# Problems that nobody documents.


@router.get("/silent/{public_id}")
async def silent(public_id: UUID) -> str: ...


@router.post("/taking", dependencies=[IDEMPOTENT])
async def taking(new: Name) -> str: ...


# Writes that a retry does twice, or that overwrite.


@router.post("/twice", responses=body)
async def twice(new: Name) -> str: ...


@router.post("/silently", responses=body, openapi_extra=idempotent_by_nature(""))
async def silently(new: Name) -> str: ...


@router.patch("/blind/{public_id}", response_model=Seen, responses=change)
async def blind(public_id: UUID, new: Name, session: Writing) -> Any: ...


# Pages that cost more the farther they are.


async def found(session: Reading, statement: Select[Any], paging: PageRequest) -> dict[str, object]:
    rows = (await session.scalars(statement)).all()
    return Page(rows, keyset.page(rows, paging).info, "").body()


@router.get("/skipping", response_model=MANY)
async def skipping(caller: Calling, session: Reading, paging: Paging) -> dict[str, object]:
    first = PageRequest(paging.limit, paging.descending, None, paging.context, paging.url)
    return await found(session, keyset.select(mutants.visible(caller), first).offset(40), paging)


@router.get("/by-name", response_model=MANY)
async def by_name(caller: Calling, session: Reading, paging: Paging) -> dict[str, object]:
    return await found(
        session, mutants.visible(caller).order_by(Mutant.name).limit(paging.limit), paging
    )


@router.get("/whole", response_model=MANY)
async def whole(caller: Calling, session: Reading, paging: Paging) -> dict[str, object]:
    return await found(session, mutants.visible(caller), paging)


@router.get("/of-everybody", response_model=MANY)
async def of_everybody(session: Reading, paging: Paging) -> dict[str, object]:
    return await found(session, keyset.select(select(Mutant), paging), paging)


@router.get("/with-the-deleted", response_model=MANY)
async def with_the_deleted(caller: Calling, session: Reading, paging: Paging) -> dict[str, object]:
    visible = mutants.visible(caller, include_deleted=True)
    return await found(session, keyset.select(visible, paging), paging)


@router.get("/past-the-deleted", response_model=MANY)
async def past_the_deleted(caller: Calling, session: Reading, paging: Paging) -> dict[str, object]:
    return (await hoarders.page(session, caller, paging)).body()


@router.get("/broken", response_model=MANY)
async def broken(paging: Paging) -> dict[str, object]:
    raise ValueError(paging)
