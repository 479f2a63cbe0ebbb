"""`serve`: the server of production, with its metrics on a port of their own."""

import argparse
import asyncio
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.importer import import_from_string
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from . import logs, metrics
from .database import TRANSACTION_TIMEOUT_MS
from .settings import KitSettings

MAX_HEAD = 64 * 1024  # bytes of a request's line and headers, without those that come first
HEAD_SECONDS = 10.0  # for all of them, from the connection or from the first of them on


class BoundedHead(HttpToolsProtocol):
    """Gives up who sends a head without end, or never ends one: that costs nobody a key.

    The parser keeps all of a head, and the server any connection, until there is a request.
    """

    _unread = 0  # bytes since a request, or a piece of its body, began
    _in_head = True
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A head begins, perhaps behind other requests in what was read at once."""
        super().on_message_begin()
        self._unread = 0
        self._in_head = True

    def on_headers_complete(self) -> None:
        """A head is complete."""
        super().on_headers_complete()
        self._in_head = False

    def on_body(self, body: bytes) -> None:
        """Not a head, nor headers behind the body."""
        super().on_body(body)
        self._unread = 0

    def data_received(self, data: bytes) -> None:
        """Read what has come, as far as it is bounded."""
        self._unread += len(data)
        super().data_received(data)
        idle = self._in_head or (self.cycle is not None and self.cycle.response_complete)
        if self._unread > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")
        elif idle and self in self.connections:  # else it is a WebSocket's by now
            self._wait()
        elif self._patience is not None:
            self._wait_no_more()

    def _wait(self) -> None:
        if self._patience is None:
            # What the server's end does, too: who waits for an answer still gets it.
            self._patience = self.loop.call_later(HEAD_SECONDS, self.shutdown)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def command(application: str) -> Callable[[Any], None]:
    """What adds `serve` to the command line; `application` is a factory, as Uvicorn names it."""

    def run(_: argparse.Namespace, settings: KitSettings) -> None:
        processes = settings.web_concurrency
        if processes > 1:
            import_from_string(application)()  # what it refuses would end each worker, for ever
        logs.configure(settings.environment)
        with metrics.served(settings.host, settings.metrics_port, processes=processes):
            uvicorn.run(
                application,
                factory=True,
                http=BoundedHead,
                forwarded_allow_ips=settings.forwarded_allow_ips,
                host=settings.host,
                port=settings.port,
                workers=processes,
                log_config=logs.config(settings.environment),
                access_log=False,
                server_header=False,
                # A worker that loads on a busy machine answers its parent late; one that is killed
                # while the parent asks is missed for as long.
                timeout_worker_healthcheck=20,
                # A request that may still commit is waited for.
                timeout_graceful_shutdown=TRANSACTION_TIMEOUT_MS // 1000 + 5,
            )

    def add(verbs: Any) -> None:  # noqa: ANN401 argparse names no type for it
        serve = verbs.add_parser("serve", help="serve on PORT, metrics on METRICS_PORT")
        serve.set_defaults(run=run)

    return add
