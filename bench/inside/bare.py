"""The service's requests on bare FastAPI and SQLAlchemy: the same statements, and nothing else.

Written as their documentation shows it: a session out of a `yield` dependency, `response_model`,
rows mapped anew. No log, no metrics, no limits, no problem details, no request ids.
"""

import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, ConfigDict
from sqlalchemy import BigInteger, DateTime, FetchedValue, select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

FIND = text("""
    SELECT api_keys.id, api_keys.digest, api_keys.prefix, api_keys.scopes,
           accounts.id AS account_id, accounts.public_id AS account,
           set_config('app.actor', api_keys.prefix, true)
    FROM api_keys JOIN accounts ON accounts.id = api_keys.account_id
    WHERE api_keys.prefix = :prefix AND api_keys.deleted_at IS NULL
      AND accounts.deleted_at IS NULL
""")


class Base(DeclarativeBase):
    """Tables."""

    type_annotation_map = {datetime: DateTime(timezone=True), int: BigInteger}  # noqa: RUF012


class Payment(Base):
    """The service's payments."""

    __tablename__ = "payments"
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    public_id: Mapped[UUID] = mapped_column(server_default=FetchedValue())
    account_id: Mapped[int]
    amount: Mapped[int]
    currency: Mapped[str]
    version: Mapped[int] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    deleted_at: Mapped[datetime | None]
    deleted_by: Mapped[str | None]


class PaymentRead(BaseModel):
    """A payment, as clients see it."""

    model_config = ConfigDict(from_attributes=True)

    public_id: UUID
    amount: int
    currency: str
    created_at: datetime
    updated_at: datetime


class Page(BaseModel):
    """The first page."""

    items: list[PaymentRead]


class Charge(BaseModel):
    """What is charged."""

    operation: int


# Reads in autocommit, as the service does: two round trips a GET.
URL = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
PEPPER = os.environ["API_KEY_PEPPER"].encode()
engine = create_async_engine(URL, pool_size=5, max_overflow=5)
autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
app = FastAPI()


async def reading() -> AsyncIterator[AsyncSession]:
    """A session to read with."""
    async with AsyncSession(autocommit, expire_on_commit=False) as session:
        yield session


async def writing() -> AsyncIterator[AsyncSession]:
    """A session to write with."""
    async with AsyncSession(engine, expire_on_commit=False) as session:
        yield session


async def owner(session: AsyncSession, authorization: str) -> int:
    """The account of a key."""
    key = authorization.removeprefix("Bearer ")
    row = (await session.execute(FIND, {"prefix": key[:16]})).one_or_none()
    digest = hmac.digest(PEPPER, key.encode(), hashlib.sha256)
    if row is None or not hmac.compare_digest(row.digest, digest):
        raise HTTPException(401)
    return int(row.account_id)


Reading = Annotated[AsyncSession, Depends(reading)]
Writing = Annotated[AsyncSession, Depends(writing)]
Key = Annotated[str, Header()]


@app.get("/api/v1/payments/{public_id}", response_model=PaymentRead)
async def get(public_id: UUID, session: Reading, authorization: Key) -> Any:
    """One payment."""
    account = await owner(session, authorization)
    mine = select(Payment).where(Payment.account_id == account, Payment.deleted_at.is_(None))
    row = await session.scalar(mine.where(Payment.public_id == public_id))
    if row is None:
        raise HTTPException(404)
    return row


@app.get("/api/v1/payments", response_model=Page)
async def page(session: Reading, authorization: Key, limit: int = 20) -> Any:
    """The newest payments."""
    account = await owner(session, authorization)
    mine = select(Payment).where(Payment.account_id == account, Payment.deleted_at.is_(None))
    order = Payment.created_at.desc(), Payment.public_id.desc()
    found = (await session.scalars(mine.order_by(*order).limit(limit + 1))).all()
    return {"items": found[:limit]}


@app.post("/api/v1/charges/bare", status_code=201)
async def post(charge: Charge, session: Writing, authorization: Key) -> dict[str, Any]:
    """A payment."""
    account = await owner(session, authorization)
    row = Payment(account_id=account, amount=charge.operation, currency="EUR")
    session.add(row)
    await session.commit()
    return {"public_id": str(row.public_id), "operation": charge.operation}


def create_app() -> FastAPI:
    """For the tests' server."""
    return app
