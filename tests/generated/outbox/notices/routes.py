"""`/api/v1/notices`."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header
from orders.kit import outbox
from orders.kit.dependencies import IDEMPOTENT, Calling, Writing
from orders.kit.errors import Problem
from orders.kit.schemas import Input
from orders.modules.payments import service
from orders.modules.payments.schemas import PaymentCreate
from sqlalchemy import text

router = APIRouter(prefix="/notices")


class Notice(Input):
    """The amount tells the operation."""

    amount: int


@router.post("", status_code=201, dependencies=[IDEMPOTENT])
async def create_notice(
    new: Notice, caller: Calling, session: Writing, x_then: Annotated[str, Header()] = "answer"
) -> UUID:
    payment = await service.create(
        session, caller, PaymentCreate(amount=new.amount, currency="EUR")
    )
    message = await outbox.add(
        session, "paid", {"payment": str(payment.public_id), "amount": new.amount}
    )
    if x_then == "refuse":
        raise Problem("conflict")
    if x_then == "break":
        raise RuntimeError
    if x_then == "lose":
        await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    return message
