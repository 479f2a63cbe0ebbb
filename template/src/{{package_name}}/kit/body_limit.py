"""Limits for request bodies: the framework's own answers outside the middleware, in plain text."""

import asyncio

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .headers import header

SILENCE = 10.0  # seconds in which a body has to go on


class BodyLimitMiddleware:
    """Pure ASGI: whoever reads a body meets a 413 where it is, or turns out to be, too large.

    Where it does not come, they meet a 408: else it holds its request, and the end of the process.
    """

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        left, whole = self._limit, False

        async def count() -> Message:
            nonlocal left, whole
            if whole:  # what is waited for now is the client's leaving
                return await receive()
            declared = header(scope, b"content-length")
            if declared.isdecimal() and int(declared) > self._limit:
                raise HTTPException(413)
            try:
                async with asyncio.timeout(SILENCE):
                    message = await receive()
            except TimeoutError:
                # Nobody waits for the rest (RFC 9110, 15.5.9).
                raise HTTPException(408, headers={"Connection": "close"}) from None
            whole = not message.get("more_body")
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413)
            return message

        await self._app(scope, count, send)
