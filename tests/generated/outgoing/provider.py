"""Another service, on loopback, that answers as badly as a test tells it to."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic

NEVER = 60.0


@dataclass(frozen=True)
class Call:
    """A request as it arrived, and when."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float


Way = Callable[[Call, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Provider:
    """Goes through `script`, one way a call; the last one stays."""

    script: list[Way]
    calls: list[Call] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request a connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            call = await _read(reader)
            self.calls.append(call)
            way = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            await way(call, writer)
        writer.close()


@asynccontextmanager
async def provider(*script: Way) -> AsyncIterator[Provider]:
    """A provider that listens; what still runs at the end is cut off."""
    found = Provider(list(script))
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await found.serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            running.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", backlog=256)
    host, port = server.sockets[0].getsockname()
    found.url = f"http://{host}:{port}"
    try:
        yield found
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def answers(status: int = 200, body: bytes | object = b"{}", **headers: str) -> Way:
    """An answer; underscores in a header's name are hyphens."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = [f"HTTP/1.1 {status} So", f"Content-Length: {len(content)}", "Connection: close", *lines]

    async def way(_: Call, writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join([*head, "", ""]).encode() + content)
        await writer.drain()

    return way


def says(content: bytes) -> Way:
    """These bytes, whatever they mean, and the end."""

    async def way(_: Call, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()

    return way


async def drops(_: Call, writer: asyncio.StreamWriter) -> None:
    """The connection ends without a word."""
    writer.transport.abort()


async def hangs(_: Call, __: asyncio.StreamWriter) -> None:
    """Nothing, for longer than anybody waits."""
    await asyncio.sleep(NEVER)


async def drips(_: Call, writer: asyncio.StreamWriter) -> None:
    """A byte now and then: no single read takes long."""
    writer.write(b"HTTP/1.1 200 So\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.05)


async def floods(_: Call, writer: asyncio.StreamWriter) -> None:
    """A body without an end."""
    writer.write(b"HTTP/1.1 200 So\r\nContent-Length: 1000000000000\r\n\r\n")
    while True:
        writer.write(b"." * 65536)
        await writer.drain()


def after(seconds: float, way: Way) -> Way:
    """The same, later."""

    async def later(call: Call, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        await way(call, writer)

    return later


async def _read(reader: asyncio.StreamReader) -> Call:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    method, path, _ = head[0].split()
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    headers = {name.lower(): value for name, value in headers.items()}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Call(method, path, headers, body, monotonic())
