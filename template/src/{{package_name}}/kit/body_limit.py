"""A limit for request bodies: the framework's own answers outside the middleware, in plain text."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .headers import header


class BodyLimitMiddleware:
    """Pure ASGI: whoever reads a body meets a 413 where it is, or turns out to be, too large."""

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        left = self._limit

        async def count() -> Message:
            nonlocal left
            declared = header(scope, b"content-length")
            if declared.isdecimal() and int(declared) > self._limit:
                raise HTTPException(413)
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413)
            return message

        await self._app(scope, count, send)
