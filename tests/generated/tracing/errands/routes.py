"""`/api/v1/errands`: what traces are watched with."""

import os

from fastapi import APIRouter
from orders.kit.dependencies import Calling, Outgoing, Reading
from sqlalchemy import text

router = APIRouter(prefix="/errands")


@router.get("/{place}")
async def run(caller: Calling, session: Reading, other: Outgoing, place: str) -> str:
    await session.execute(text("SELECT length(:place)"), {"place": place})
    return (await other.get(f"{os.environ['OTHER']}/there?secret={place}")).text


@router.get("/{place}/nightmare")
async def nightmare(caller: Calling, session: Reading, place: str) -> str:
    await session.execute(text("SELECT no_such_column"))
    return place
