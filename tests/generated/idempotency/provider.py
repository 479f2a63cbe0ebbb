"""A payment provider on loopback that honours idempotency keys, and counts."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.idempotency.wire import Client, respond


class Provider:
    """Charges once a key; what it has charged, and how often it was asked."""

    def __init__(self) -> None:
        self.by_key: dict[str, str] = {}
        self.charges: Counter[int] = Counter()
        self.asked = 0
        self.address = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request a connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if line)
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        self.asked += 1
        key = headers["idempotency-key"]
        if key not in self.by_key:
            self.charges[body["operation"]] += 1
            self.by_key[key] = f"charge-{len(self.by_key)}"
        await respond(writer, self.by_key[key].encode())


@asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    """A provider that listens."""
    found = Provider()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await found.serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the process that asked was killed
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", backlog=512) as server:
        found.address = "{}:{}".format(*server.sockets[0].getsockname())
        yield found


async def ask_for_charge(address: str, key: str, operation: int) -> str:
    """The charge of an operation, as the provider names it."""
    host, _, port = address.partition(":")
    client = Client(host, int(port))
    try:
        body = json.dumps({"operation": operation}).encode()
        return (await client.post("/charges", body, {"Idempotency-Key": key})).body.decode()
    finally:
        client.close()
