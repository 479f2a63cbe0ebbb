"""Probes: `/livez` says that the process answers, `/readyz` that it wants requests."""

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from time import monotonic
from types import FrameType

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from .database import Database
from .settings import KitSettings

log = logging.getLogger(__name__)

PATHS = frozenset({"/livez", "/readyz"})
KEPT_SECONDS = 1.0  # how long an answer of the database's counts, whoever asks


class Readiness:
    """Whether this process wants requests: the database answers, and it is not about to end."""

    def __init__(self, database: Database, settings: KitSettings) -> None:
        self._database = database
        # In development nobody has to notice, and each reload would wait.
        self._in_production = settings.environment == "production"
        self._drain_seconds = settings.drain_seconds if self._in_production else 0.0
        self._asking: asyncio.Task[bool] | None = None
        self._asked = 0.0
        self._unreachable = False
        self.ready = False
        self.draining = False

    async def ask(self) -> bool:
        """Whether it does; the database is asked once a second at most, and not twice at a time."""
        asking = self._asking
        if asking is None or (asking.done() and monotonic() - self._asked >= KEPT_SECONDS):
            self._asked = monotonic()
            asking = self._asking = asyncio.create_task(self._ping())
        self.ready = await asyncio.shield(asking) and not self.draining
        return self.ready

    async def _ping(self) -> bool:
        try:
            await self._database.ping()
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            if not self._unreachable:  # told once, not once a second
                log.warning("not ready: the database does not answer: %s", type(error).__name__)
            self._unreachable = True
            return False
        self._unreachable = False
        return True

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Know it from now on, in production unasked too, and drain at SIGTERM."""
        await self.ask()
        asking = asyncio.create_task(self._ask_always()) if self._in_production else None
        try:
            with self._drains():
                yield
        finally:
            if asking:
                asking.cancel()

    async def _ask_always(self) -> None:
        """A metric that waited for probes would show the last one, and one worker of several."""
        while True:
            await asyncio.sleep(KEPT_SECONDS)
            await self.ask()

    @contextmanager
    def _drains(self) -> Iterator[None]:
        """At SIGTERM say "not ready" for a while, and go on answering, before the server stops.

        Who sends requests here needs that while to notice. A second signal ends it.
        """
        server = signal.getsignal(signal.SIGTERM)
        here = threading.current_thread() is threading.main_thread()
        if not (here and self._drain_seconds and callable(server)):
            yield
            return
        loop = asyncio.get_running_loop()

        def drain(number: int, frame: FrameType | None) -> None:
            if self.draining:
                server(number, frame)
                return
            self.draining, self.ready = True, False
            wait = self._drain_seconds
            loop.call_soon_threadsafe(loop.call_later, wait, server, number, None)

        signal.signal(signal.SIGTERM, drain)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, server)


def routes(readiness: Readiness) -> list[Route]:
    """The probes' routes. They stand outside `/api` and outside the OpenAPI document."""

    async def live(_: Request) -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    async def ready(_: Request) -> PlainTextResponse:
        if await readiness.ask():
            return PlainTextResponse("ok\n")
        why = "it is about to end" if readiness.draining else "the database does not answer"
        return PlainTextResponse(f"{why}\n", status_code=503)

    return [Route("/livez", live), Route("/readyz", ready)]
