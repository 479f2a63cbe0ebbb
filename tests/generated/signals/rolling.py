"""A rolling restart under load: no client notices, and nothing is done twice."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from .conftest import PATIENCE, Serve, Served

PAYMENTS = "/api/v1/payments"
CLIENTS = 8
SECONDS = float(os.environ.get("ROLLING_SECONDS", "6"))  # of load; `make bench` asks for 60
MEASURED = 1.5  # seconds at full speed, to know what half of it is


@dataclass
class Balancer:
    """What stands before the service: it asks each server whether it wants requests."""

    servers: list[Served] = field(default_factory=list)
    ready: list[Served] = field(default_factory=list)

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._ask())
        yield
        task.cancel()

    async def _ask(self) -> None:
        async with httpx2.AsyncClient(trust_env=False) as client:
            while True:
                self.ready = [one for one in list(self.servers) if await _wants(client, one)]
                await asyncio.sleep(0.1)

    async def has(self, server: Served) -> None:
        """Wait until requests go there."""
        async with asyncio.timeout(PATIENCE):
            while server not in self.ready:
                await asyncio.sleep(0.05)


async def _wants(client: httpx2.AsyncClient, server: Served) -> bool:
    with suppress(httpx2.HTTPError):
        url = f"http://127.0.0.1:{server.port}/readyz"
        return (await client.get(url, timeout=2)).status_code == 200
    return False


@dataclass
class Clients:
    """They create payments, each with a key of its own, and never try again."""

    balancer: Balancer
    caller: dict[str, str]
    first: int
    pause: float = 0.0  # of a client between two requests, on average
    done: list[int] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    ending: bool = False

    async def run(self, number: int) -> None:
        # Connections are kept, as a balancer keeps them.
        async with httpx2.AsyncClient(trust_env=False, timeout=30) as client:
            for amount in range(self.first + number, self.first + 10**9, CLIENTS):
                if self.ending:
                    return
                await self._create(client, amount)
                await asyncio.sleep(random.uniform(0, 2 * self.pause))  # noqa: S311

    async def slow_down(self) -> float:
        """Find out how many requests a second the servers bear, and go on with half of that."""
        await asyncio.sleep(MEASURED)  # first requests connect, on both sides
        before = len(self.done)
        await asyncio.sleep(MEASURED)
        most = (len(self.done) - before) / MEASURED
        # As long a pause as a request takes when nobody pauses: in it, less is to be done.
        self.pause = CLIENTS / most
        return most

    async def _create(self, client: httpx2.AsyncClient, amount: int) -> None:
        server = random.choice(self.balancer.ready)  # noqa: S311
        new = {"amount": amount, "currency": "EUR"}
        headers = self.caller | {"Idempotency-Key": str(uuid4())}
        try:
            url = f"http://127.0.0.1:{server.port}{PAYMENTS}"
            answer = await client.post(url, json=new, headers=headers)
        except httpx2.HTTPError as error:
            self.failed.append(repr(error))
            return
        if answer.status_code == 201:
            self.done.append(amount)
        else:
            self.failed.append(answer.text)


@pytest.mark.anyio
async def test_a_rolling_restart_loses_no_request_and_repeats_none(
    serve: Serve, database_url: str
) -> None:
    settings = {"WEB_CONCURRENCY": "1", "DRAIN_SECONDS": "1", "RATE_LIMIT_ENABLED": "false"}
    async with AsyncExitStack() as stack:

        async def start() -> Served:
            """Another server, which requests go to once it is ready."""
            server = await asyncio.to_thread(stack.enter_context, serve(**settings))
            balancer.servers.append(server)
            await balancer.has(server)
            return server

        balancer = Balancer()
        await stack.enter_async_context(balancer.asking())
        old = [await start(), await start()]
        first = random.SystemRandom().randrange(10**9, 10**12)
        clients = Clients(balancer, old[0].headers, first)
        load = [asyncio.create_task(clients.run(number)) for number in range(CLIENTS)]
        most = await clients.slow_down()
        for server in old:
            await asyncio.sleep(SECONDS / 3)
            await start()
            server.terminate()
            await asyncio.to_thread(server.process.wait, PATIENCE)
            balancer.servers.remove(server)
        await asyncio.sleep(SECONDS / 3)
        clients.ending = True
        await asyncio.gather(*load)

        connection = await asyncpg.connect(database_url)
        query = "SELECT amount FROM payments WHERE amount BETWEEN $1 AND $1 + 1000000000"
        stored = [row["amount"] for row in await connection.fetch(query, first)]
        await connection.close()
        doubled = len(stored) - len(set(stored))
        sent = len(clients.done) + len(clients.failed)
        told = f"{sent} requests, {len(clients.failed)} failed, {doubled} doubled"
        print(f"{told}; at half of {most:.0f} requests a second")
        assert clients.failed == []
        assert len(clients.done) > SECONDS
        assert sorted(stored) == sorted(clients.done)
