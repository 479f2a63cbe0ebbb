"""As much load as one connection after the other can carry, from a client that costs little.

A POST has a key and a body of its own, unless it is repeated. Nothing but the status of an answer
is looked at.
"""

import asyncio
import itertools
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import cast

END = b"\r\n\r\n"
_numbers = itertools.count(random.SystemRandom().randrange(1, 10**14))


@dataclass
class Requests:
    """What is sent, again and again; a `repeated` POST with one key, for a replay."""

    path: str
    headers: dict[str, str]
    method: str = "POST"
    repeated: bool = False

    def __post_init__(self) -> None:
        body = {} if self.method == "GET" else {"Content-Type": "application/json"}
        told = {"Host": "localhost"} | body | self.headers
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{name}: {told[name]}" for name in told)]
        self._head = "\r\n".join(lines).encode()
        self._first = next(_numbers)

    def next(self) -> bytes:
        """The next one."""
        if self.method == "GET":
            return self._head + END
        number = self._first if self.repeated else next(_numbers)
        body = b'{"operation": %d}' % number
        return b"%s\r\nIdempotency-Key: bench-%d\r\nContent-Length: %d\r\n\r\n%s" % (
            self._head,
            number,
            len(body),
            body,
        )


@dataclass
class Tally:
    """What came back, and how long it took."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)


class Connection(asyncio.Protocol):
    """Sends the next request as soon as an answer is there."""

    def __init__(self, requests: Requests, tally: Tally, ends: float) -> None:
        self._requests = requests
        self._tally = tally
        self._ends = ends
        self._received = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._requests.next())

    def data_received(self, data: bytes) -> None:
        """Note an answer that is whole, and send the next request."""
        self._received += data
        head, found, body = self._received.partition(END)
        if not found:
            return
        at = head.lower().index(b"content-length:") + len(b"content-length:")
        if len(body) < int(head[at:].split(b"\r\n", 1)[0]):
            return
        self._received = b""
        now = time.perf_counter()
        self._tally.statuses[int(head.split(b" ", 2)[1])] += 1
        self._tally.latencies.append(now - self._began)
        if now < self._ends:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        """End."""
        if not self.done.done():
            self.done.set_result(None)


async def load(port: int, requests: Requests, connections: int, seconds: float) -> Tally:
    """Keep that many connections busy for that long."""
    tally = Tally()
    ends = time.perf_counter() + seconds
    loop = asyncio.get_running_loop()
    running = []
    for _ in range(connections):
        _, protocol = await loop.create_connection(
            lambda: Connection(requests, tally, ends), "127.0.0.1", port
        )
        running.append(protocol.done)
    await asyncio.gather(*running)
    return tally
