"""The service's POST without a key, under the idempotency keys of other libraries.

The libraries stand outside of everything, as their documents show it. The PostgreSQL store of
fastidempotent can't be among them: it deletes through the ORM, which the kit refuses.
"""

import os
from collections.abc import Awaitable, Callable

from orders import main
from redis.asyncio import Redis
from starlette.types import ASGIApp, Receive, Scope, Send


def asgi_idempotency_header() -> ASGIApp:
    """A set and two strings in Redis, written after the commit."""
    from idempotency_header_middleware import IdempotencyHeaderMiddleware
    from idempotency_header_middleware.backends import RedisBackend

    redis = Redis.from_url(os.environ["REDIS_URL"])
    return IdempotencyHeaderMiddleware(main.create_app(), backend=RedisBackend(redis=redis))


def fastidempotent_redis() -> ASGIApp:
    """A lock for 30 seconds in Redis, and a record that is written after the commit."""
    from fastidempotent import IdempotencyMiddleware
    from fastidempotent.backends.redis import RedisBackend

    backend = RedisBackend(url=os.environ["REDIS_URL"])
    return Prepared(IdempotencyMiddleware(main.create_app(), backend=backend), backend.init)


class Prepared:
    """Calls `prepare` before the first request: their backends want it, in the server's loop."""

    def __init__(self, app: ASGIApp, prepare: Callable[[], Awaitable[None]]) -> None:
        self._app = app
        self._prepare: Callable[[], Awaitable[None]] | None = prepare

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, prepared."""
        if scope["type"] == "http" and self._prepare is not None:
            await self._prepare()
            self._prepare = None
        await self._app(scope, receive, send)
