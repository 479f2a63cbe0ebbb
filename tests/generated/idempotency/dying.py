"""The application, with a header that names the instruction at which its process kills itself.

The kit is wrapped from outside: it holds no code for tests.
"""

import functools
import os
import signal
from contextvars import ContextVar
from typing import Any

from orders import main
from orders.kit import database
from orders.kit.idempotency import Claim
from orders.kit.repository import Repository
from orders.kit.unit_of_work import UnitOfWork
from sqlalchemy.ext.asyncio import AsyncTransaction
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = b"x-die"

# The eight of the issue, and whether the row is there when the process is dead; then those around
# the second transaction of a refusal.
POINTS = {
    "after-claim": False,
    "after-write": False,
    "before-store": False,
    "before-commit": False,
    "after-commit": True,
    "before-send": True,
    "between-start-and-body": True,
    "after-send": True,
}
REFUSAL_POINTS = ("before-the-refusal", "before-its-commit", "before-send")

_chosen: ContextVar[str] = ContextVar("chosen", default="")


def _die(point: str) -> None:
    if point and _chosen.get() == point:
        os.kill(os.getpid(), signal.SIGKILL)


def _wrap(owner: type, name: str, *, before: str = "", after: str = "") -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    async def dying(*args: Any, **kwargs: Any) -> Any:
        _die(before)
        result = await original(*args, **kwargs)
        _die(after)
        return result

    setattr(owner, name, dying)


class Dying:
    """Outermost: what it holds back, the server has not been given."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            _chosen.set(dict(scope["headers"]).get(HEADER, b"").decode())

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                _die("before-send")
            await send(message)
            if message["type"] == "http.response.start":
                _die("between-start-and-body")
            if message["type"] == "http.response.body":
                _die("after-send")

        await self._app(scope, receive, watched)


def create_app() -> ASGIApp:
    """The service, mortal."""
    _wrap(UnitOfWork, "claim", after="after-claim")
    _wrap(Repository, "add", after="after-write")
    _wrap(Claim, "store", before="before-store")
    _wrap(AsyncTransaction, "commit", before="before-commit", after="after-commit")
    _wrap(Claim, "store_refusal", before="before-the-refusal", after="before-its-commit")
    if "LOCK_TIMEOUT_MS" in os.environ:
        database.TIMEOUTS_MS["lock_timeout"] = int(os.environ["LOCK_TIMEOUT_MS"])
    return Dying(main.create_app())
