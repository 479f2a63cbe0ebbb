"""`/api/v1/purchases`."""

import os
import signal
from typing import Annotated

from fastapi import APIRouter, Header
from orders.kit.dependencies import Calling, Claiming, Outgoing, Writing
from orders.kit.schemas import Input
from orders.modules.payments import service
from orders.modules.payments.schemas import PaymentCreate

router = APIRouter(prefix="/purchases")


class Purchase(Input):
    """The amount tells the operation."""

    amount: int


@router.post("", status_code=201)
async def create_purchase(
    new: Purchase,
    caller: Calling,
    session: Writing,
    claim: Claiming,
    other: Outgoing,
    x_then: Annotated[str, Header()] = "answer",
) -> dict[str, object]:
    await service.create(session, caller, PaymentCreate(amount=new.amount, currency="EUR"))
    answers = []
    for step in ("charge", "receipt"):
        answer = await other.post(
            f"{os.environ['PROVIDER']}/{step}",
            json={"amount": new.amount},
            headers={"Idempotency-Key": claim.downstream(step)},
        )
        answers.append(answer.raise_for_status().json())
        if x_then == f"die after {step}":
            os.kill(os.getpid(), signal.SIGKILL)
    return {"answers": answers}
