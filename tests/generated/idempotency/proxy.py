"""A way to PostgreSQL that can be cut in the middle, and that counts what goes over it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from anyio.from_thread import start_blocking_portal
from sqlalchemy import make_url


class Proxy:
    """Forwards bytes between the service and the server."""

    def __init__(self, url: str) -> None:
        self._target = make_url(url)
        self._swallowing: bytes | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._losing: bytes | None = None
        self._lost: list[asyncio.Event] = []
        self.sent: list[bytes] = []
        self.url = ""

    def swallow(self, statement: str) -> None:
        """Let the server have the next message that holds this, and cut before its answer."""
        self._swallowing = statement.encode()

    def lose(self, statement: str) -> None:
        """Lose every connection with the next message that holds this, and tell no side."""
        self._losing = statement.encode()

    def _look(self, message: bytes, cut: asyncio.Event) -> None:
        if self._swallowing is not None and self._swallowing in message:
            self._swallowing = None
            cut.set()
        if self._losing is not None and self._losing in message:
            self._losing = None
            for connection in self._lost:
                connection.set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1")
        host, port = self._server.sockets[0].getsockname()
        there = self._target.set(host=host, port=port, query={"sslmode": "disable"})
        self.url = there.render_as_string(hide_password=False)

    async def stop(self) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        socket = f"{self._target.query['host']}/.s.PGSQL.{self._target.port or 5432}"
        behind, ahead = await asyncio.open_unix_connection(socket)
        cut, lost = asyncio.Event(), asyncio.Event()
        self._lost.append(lost)

        async def up() -> None:
            while message := await reader.read(65536):
                self._look(message, cut)
                if not lost.is_set():
                    self.sent.append(message)
                    ahead.write(message)

        async def down() -> None:
            while message := await behind.read(65536):
                if cut.is_set():
                    return
                if not lost.is_set():
                    writer.write(message)

        both = {asyncio.ensure_future(up()), asyncio.ensure_future(down())}
        self._connections |= both
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            for end in (writer, ahead):
                end.close()
                await end.wait_closed()


@contextmanager
def proxied(url: str) -> Iterator[Proxy]:
    """The server of `url`, behind a proxy in an event loop of its own."""
    proxy = Proxy(url)
    with start_blocking_portal() as portal:
        portal.call(proxy.start)
        try:
            yield proxy
        finally:
            portal.call(proxy.stop)
