"""The floor of GET by id: the driver alone sends the same two statements, and the server answers.

No FastAPI, SQLAlchemy or Pydantic, and nothing is checked: what no service can go below.
"""

import json
import os
from typing import Any
from uuid import UUID

import asyncpg
from starlette.types import Receive, Scope, Send
from tests.idempotency.bare import FIND

KEY = str(FIND).replace(":prefix", "$1")
PAYMENT = """
    SELECT public_id, amount, currency, created_at, updated_at FROM payments
    WHERE account_id = $1 AND deleted_at IS NULL AND public_id = $2
"""


class Floor:
    """An ASGI application of one route."""

    pool: "asyncpg.Pool[asyncpg.Record]"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Two round trips, and their row as JSON."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        answer: dict[str, Any] = {}
        if scope["path"] != "/livez":  # which says that it listens
            headers = dict(scope["headers"])
            key = headers[b"authorization"].decode().removeprefix("Bearer ")
            async with self.pool.acquire() as connection:
                owner = await connection.fetchrow(KEY, key[:16])
                public_id = UUID(scope["path"].rpartition("/")[2])
                answer = dict(await connection.fetchrow(PAYMENT, owner["account_id"], public_id))
        body = json.dumps(answer, default=str).encode()
        size = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [size]})
        await send({"type": "http.response.body", "body": body})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        url = os.environ["DATABASE_URL"]
        self.pool = await asyncpg.create_pool(url, min_size=5, max_size=10, reset=_as_it_is)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.pool.close()
        await send({"type": "lifespan.shutdown.complete"})


async def _as_it_is(_: object) -> None:
    """Nothing to reset: by default that is a third round trip."""


def create_app() -> Floor:
    """For the tests' server."""
    return Floor()
