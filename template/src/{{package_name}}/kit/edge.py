"""The outermost layer: a request gets its name here, and its answer the headers of every answer.

They are written once, whichever layer answers: one further in says on the way in what it adds
(`headers.add`), and need not stand in the answer's way.
"""

import asyncio
from collections.abc import Iterable
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .headers import Header, missing
from .health import Readiness
from .idempotency import REPLAYED
from .request_id import RAW_HEADER, given, new, request_id
from .telemetry import Telemetry

GONE = 499  # nginx's number for a client that did not wait

_CLOSE = (b"connection", b"close")


class EdgeMiddleware:
    """Pure ASGI. The request's id is in `request_id`, in `scope["state"]` and in the answer.

    `answer_status` is in that state once the answer has begun. `pages` are those of the API's
    documentation, which may load their scripts.
    """

    def __init__(
        self, app: ASGIApp, *, telemetry: Telemetry, readiness: Readiness, pages: frozenset[str]
    ) -> None:
        self._app = app
        self._telemetry = telemetry
        self._readiness = readiness
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, ended = perf_counter(), 0.0
        name = given(scope) or new()
        state = scope.setdefault("state", {})
        state["request_id"] = name

        async def answer(message: Message) -> None:
            nonlocal ended
            if message["type"] == "http.response.start":
                headers = self._headers(scope, message.get("headers", ()))
                state["answer_status"] = message["status"]
                await send({**message, "headers": headers})
                return
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                ended = perf_counter()  # what runs behind the answer, the client does not wait for

        token = request_id.set(name)
        self._telemetry.in_flight += 1
        try:
            await self._app(scope, receive, answer)
        except asyncio.CancelledError:
            state.setdefault("answer_status", GONE)
            raise
        finally:
            request_id.reset(token)
            self._telemetry.in_flight -= 1
            self._telemetry.tell(scope, (ended or perf_counter()) - began)

    def _headers(self, scope: Scope, own: Iterable[Header]) -> list[Header]:
        state = scope["state"]
        headers = [each for each in own if each[0] != RAW_HEADER]
        state["answer_replayed"] = REPLAYED in headers
        headers += missing(headers, page=scope["path"] in self._pages)
        for made in state.get("answer_headers", ()):
            headers += made(scope)
        headers.append((RAW_HEADER, state["request_id"].encode()))
        if self._readiness.draining:
            # A client that kept its connection would find it closed at its next request.
            headers.append(_CLOSE)
        return headers
