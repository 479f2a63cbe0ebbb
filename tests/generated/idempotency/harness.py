"""Kills workers at random, under clients that retry until they have an answer; then counts.

`python -m tests.idempotency.harness` runs it on the service, or on another application that serves
the same requests, and prints one line of JSON.
"""

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from uuid import uuid4

import asyncpg
from tests.idempotency.provider import Provider, provider
from tests.idempotency.serving import SERVICE, Server, serving
from tests.idempotency.wire import Client, Reply

PATH = "/api/v1/charges/paid"
TABLE = "payments"
PATIENCE = 60.0  # for one key, on a server that is no longer killed
IMPATIENT = 0.05  # of the attempts hang up early
Headers = dict[str, str]


@dataclass
class Told:
    """An operation, and the answer that its client took for the answer."""

    operation: int
    headers: Headers
    status: int
    body: bytes


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
    changed: int = 0  # a later replay is another answer
    stuck: int = 0  # keys that get no answer, on a healthy server
    unexpected: Counter[int] = field(default_factory=Counter)

    @property
    def wrong(self) -> dict[str, object]:
        """What must be nothing."""
        names = ("doubled", "lost", "undone", "overcharged", "uncharged", "changed", "stuck")
        wrong: dict[str, object] = {n: getattr(self, n) for n in names if getattr(self, n)}
        return wrong | ({"unexpected": dict(self.unexpected)} if self.unexpected else {})


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
        self._first = random.SystemRandom().randrange(1, 10**12) * 1000
        self._next = self._first
        self._ended = False
        self.told: list[Told] = []
        self.outcome = Outcome()

    async def run(self, kills: int) -> None:
        """Kill that often, let every client finish, then ask for every answer once more."""
        began = time.monotonic()
        await asyncio.to_thread(self._server.wait)
        clients = [asyncio.ensure_future(self._client(n)) for n in range(self._clients)]
        for _ in range(kills):
            await asyncio.sleep(random.uniform(0.1, 0.6))
            self._server.kill_one()
            self.outcome.kills += 1
        await asyncio.sleep(0.3)
        self._ended = True
        await asyncio.to_thread(self._server.wait)
        await asyncio.gather(*clients)
        self.outcome.keys = len(self.told) + self.outcome.stuck
        self.outcome.seconds = round(time.monotonic() - began, 1)
        await self._ask_again()

    async def _client(self, number: int) -> None:
        client = self._server.client()
        caller = self._callers[number % len(self._callers)]
        while not self._ended:
            operation, self._next = self._next, self._next + 1
            headers = {**caller, "Idempotency-Key": str(uuid4())}
            if reply := await self._until_answered(client, headers, operation):
                self.told.append(Told(operation, headers, reply.status, reply.body))
            else:
                self.outcome.stuck += 1
        client.close()

    async def _until_answered(
        self, client: Client, headers: Headers, operation: int
    ) -> Reply | None:
        end = None
        while end is None or time.monotonic() < end:
            if self._ended and end is None:
                end = time.monotonic() + PATIENCE
            reply = await self._attempt(client, headers, operation)
            if reply is not None and is_final(reply):
                self.outcome.replayed += reply.replayed
                return reply
            if reply is not None and reply.status == 409:
                self.outcome.in_progress += 1
            elif reply is not None and reply.status != 503:
                self.outcome.unexpected[reply.status] += 1
            await asyncio.sleep(random.uniform(0.02, 0.1))
        return None

    async def _attempt(self, client: Client, headers: Headers, operation: int) -> Reply | None:
        self.outcome.attempts += 1
        patience = random.uniform(0, 0.05) if random.random() < IMPATIENT else 10.0
        body = json.dumps({"operation": operation}).encode()
        try:
            async with asyncio.timeout(patience):
                return await client.post(self._path, body, headers)
        except (OSError, TimeoutError):
            self.outcome.broken += 1
            client.close()
            return None

    async def _ask_again(self) -> None:
        """Every key, once more, on a server that nobody kills."""
        waiting = list(self.told)

        async def ask() -> None:
            client = self._server.client()
            while waiting:
                told = waiting.pop()
                reply = await self._until_answered(client, told.headers, told.operation)
                if reply is None:
                    self.outcome.stuck += 1
                elif (reply.status, reply.body, reply.replayed) != (told.status, told.body, True):
                    self.outcome.changed += 1
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
            done = told.status == 201
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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--clients", type=int, default=60)
    parser.add_argument("--factory", default=SERVICE)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--path", default=PATH)
    parser.add_argument("--table", default=TABLE)
    parser.add_argument("--key", action="append", default=[], help="an API key; repeatable")
    chosen = vars(parser.parse_args())
    callers = [{"Authorization": f"Bearer {key}"} for key in chosen.pop("key")]
    outcome = asyncio.run(run(os.environ["DATABASE_URL"], callers or [{}], **chosen))
    print(json.dumps(asdict(outcome) | {"wrong": outcome.wrong}))


if __name__ == "__main__":
    main()
