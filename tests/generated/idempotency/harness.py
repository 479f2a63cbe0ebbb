"""Kills workers at random, under clients that retry until they have an answer; then counts."""

import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass, field
from uuid import uuid4

import asyncpg
from tests.idempotency.provider import Provider, provider
from tests.idempotency.serving import SERVICE, Server, serving
from tests.idempotency.wire import Client, Reply

PATH = "/api/v1/charges/paid"
TABLE = "payments"
PERSEVERANCE = 3.0  # seconds for one key, before a client goes on to its next one
PATIENCE = 60.0  # seconds for all that is open, on a server that is no longer killed
IMPATIENT = 0.05  # of the attempts hang up early
Headers = dict[str, str]
_random = random.SystemRandom()


@dataclass
class Told:
    """An operation, and the answer that its client took for the answer."""

    operation: int
    headers: Headers
    reply: Reply


@dataclass
class Outcome:
    """What happened, and what must not have happened."""

    keys: int = 0
    kills: int = 0
    attempts: int = 0
    broken: int = 0  # attempts without an answer
    replayed: int = 0  # answers that a first attempt had left behind
    in_progress: int = 0
    seconds: float = 0.0
    doubled: int = 0  # operations with more than one row
    lost: int = 0  # acknowledged, and no row
    undone: int = 0  # refused, and a row all the same
    overcharged: int = 0  # operations that the provider charged more than once
    uncharged: int = 0
    changed: int = 0  # a later answer is another one
    unmarked: int = 0  # the same, and not said to be a replay
    stuck: int = 0  # keys that get no answer, on a healthy server
    unexpected: dict[int, int] = field(default_factory=dict)  # statuses

    @property
    def wrong(self) -> dict[str, object]:
        """What must be nothing."""
        names = ("doubled", "lost", "undone", "overcharged", "uncharged", "changed", "unmarked")
        found = {name: getattr(self, name) for name in (*names, "stuck", "unexpected")}
        return {name: value for name, value in found.items() if value}


def is_final(reply: Reply) -> bool:
    """Whether a client has its answer: done, or refused by a rule of the service."""
    return reply.status == 201 or b"urn:problem:conflict" in reply.body


class Chaos:
    """One run against one server."""

    def __init__(
        self, server: Server, callers: list[Headers], *, clients: int = 60, path: str = PATH
    ) -> None:
        self._server = server
        self._path = path
        self._callers = callers
        self._clients = clients
        self._first = _random.randrange(1, 10**12) * 1000
        self._next = self._first
        self._ended = False
        self._healthy = asyncio.Event()
        self.told: list[Told] = []
        self.outcome = Outcome()

    async def run(self, kills: int) -> None:
        """Kill that often, let every client finish, then ask for every answer once more."""
        began = time.monotonic()
        await asyncio.to_thread(self._server.wait)
        clients = [asyncio.ensure_future(self._client(n)) for n in range(self._clients)]
        for _ in range(kills):
            await self._progress()
            await asyncio.sleep(_random.uniform(0.0, 0.3))
            self._server.kill_one()
            self.outcome.kills += 1
        await asyncio.sleep(0.3)
        self._ended = True
        await asyncio.to_thread(self._server.wait)
        self._healthy.set()
        await asyncio.gather(*clients)
        self.outcome.keys = self._next - self._first
        self.outcome.replayed = sum(told.reply.replayed for told in self.told)
        self.outcome.seconds = round(time.monotonic() - began, 1)
        await self._ask_again()

    async def _progress(self) -> None:
        """Wait for a few answers: a server that has not come up yet loses nothing."""
        end, enough = time.monotonic() + 2, len(self.told) + 10
        while len(self.told) < enough and time.monotonic() < end:
            await asyncio.sleep(0.01)

    async def _client(self, number: int) -> None:
        """One operation after the other; those without an answer are asked for again at the end."""
        client = self._server.client()
        caller = self._callers[number % len(self._callers)]
        open_ones = []
        while not self._ended:
            operation, self._next = self._next, self._next + 1
            headers = {**caller, "Idempotency-Key": str(uuid4())}
            if not await self._is_told(client, headers, operation, PERSEVERANCE):
                open_ones.append((headers, operation))
        await self._healthy.wait()
        end = time.monotonic() + PATIENCE
        while open_ones and time.monotonic() < end:
            headers, operation = open_ones.pop(0)
            if not await self._is_told(client, headers, operation, 0):
                open_ones.append((headers, operation))
        self.outcome.stuck += len(open_ones)
        client.close()

    async def _is_told(
        self, client: Client, headers: Headers, operation: int, patience: float
    ) -> bool:
        reply = await self._until_answered(client, headers, operation, patience)
        if reply is not None:
            self.told.append(Told(operation, headers, reply))
        return reply is not None

    async def _until_answered(
        self, client: Client, headers: Headers, operation: int, patience: float
    ) -> Reply | None:
        """Retry until there is an answer."""
        end = time.monotonic() + patience
        while True:
            reply = await self._attempt(client, headers, operation)
            if reply is not None and is_final(reply):
                return reply
            if reply is not None and reply.status == 409:
                self.outcome.in_progress += 1
            elif reply is not None and reply.status != 503:
                seen = self.outcome.unexpected
                seen[reply.status] = seen.get(reply.status, 0) + 1
            await asyncio.sleep(_random.uniform(0.02, 0.1))
            if time.monotonic() >= end:
                return None

    async def _attempt(self, client: Client, headers: Headers, operation: int) -> Reply | None:
        self.outcome.attempts += 1
        patience = _random.uniform(0, 0.05) if _random.random() < IMPATIENT else 10.0
        body = json.dumps({"operation": operation}).encode()
        try:
            async with asyncio.timeout(patience):
                return await client.post(self._path, body, headers)
        except (OSError, TimeoutError):
            self.outcome.broken += 1
            client.close()
            return None

    async def _ask_again(self) -> None:
        """For every answer, once more, on a server that nobody kills."""
        waiting = list(self.told)

        async def ask() -> None:
            client = self._server.client()
            while waiting:
                told = waiting.pop()
                again = await self._until_answered(
                    client, told.headers, told.operation, PERSEVERANCE
                )
                if again is None:
                    self.outcome.stuck += 1
                elif (again.status, again.body) != (told.reply.status, told.reply.body):
                    self.outcome.changed += 1
                elif not again.replayed:
                    self.outcome.unmarked += 1
            client.close()

        await asyncio.gather(*(ask() for _ in range(self._clients)))

    async def count(self, database_url: str, charges: Provider, table: str = TABLE) -> Outcome:
        """Compare what clients were told with what is stored and charged."""
        connection = await asyncpg.connect(database_url)
        try:
            found = await connection.fetch(
                f"SELECT amount, count(*) FROM {table}"  # noqa: S608
                " WHERE amount >= $1 AND amount < $2 GROUP BY amount",
                self._first,
                self._next,
            )
        finally:
            await connection.close()
        rows = dict(map(tuple, found))
        outcome = self.outcome
        outcome.doubled = sum(count > 1 for count in rows.values())
        for told in self.told:
            done = told.reply.status == 201
            outcome.lost += done and told.operation not in rows
            outcome.undone += not done and told.operation in rows
            outcome.uncharged += done and not charges.charges[told.operation]
        outcome.overcharged = sum(count > 1 for count in charges.charges.values())
        return outcome


async def run(
    database_url: str,
    callers: list[Headers],
    *,
    kills: int,
    factory: str = SERVICE,
    path: str = PATH,
    table: str = TABLE,
    clients: int = 60,
    python: str = sys.executable,
) -> Outcome:
    """One run of chaos, from the first worker to the last row."""
    async with provider() as charges:
        environment = {"DATABASE_URL": database_url, "PAYMENT_PROVIDER": charges.address}
        with serving(environment, factory=factory, python=python) as server:
            chaos = Chaos(server, callers, clients=clients, path=path)
            await chaos.run(kills)
            return await chaos.count(database_url, charges, table)
