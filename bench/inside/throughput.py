"""The POST with a key, without one, and under other libraries: taking turns, on one worker each."""

import argparse
import asyncio
import json
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import TextIO

import psutil
from tests.idempotency.load import Requests, load
from tests.idempotency.proxy import proxied
from tests.idempotency.serving import Server, serving
from tests.idempotency.stores import redis

PLAIN = "orders.main:create_app"
BARE, KEYED = "/api/v1/charges/bare", "/api/v1/charges/keyed"
PEERS = ("asgi_idempotency_header", "fastidempotent_redis")


@dataclass
class Contender:
    """A path of a server."""

    name: str
    server: Server
    requests: Requests


@dataclass(frozen=True)
class Turn:
    """One contender, for a moment: requests a second, and the worker's own CPU time for each."""

    rate: float
    cpu_ms: float


async def turn(contender: Contender, connections: int, seconds: float) -> Turn:
    """Load a contender."""
    (worker,) = contender.server.workers()
    began, used = time.perf_counter(), _cpu(worker)
    tally = await load(contender.server.port, contender.requests, connections, seconds)
    took, used = time.perf_counter() - began, _cpu(worker) - used
    if not set(tally.statuses) <= {200, 201}:
        raise SystemExit(f"{contender.name} answered {dict(tally.statuses)}")
    count = sum(tally.statuses.values())
    return Turn(count / took, 1000 * used / count)


def _cpu(pid: int) -> float:
    """Seconds that a process has run: of its own clock on Linux, elsewhere to a hundredth."""
    if sys.platform == "linux":
        return time.clock_gettime(~pid << 3 | 2)  # clock_getcpuclockid(3)
    return sum(psutil.Process(pid).cpu_times()[:2])


async def turns(
    contenders: list[Contender], connections: int, rounds: int, seconds: float
) -> dict[str, list[Turn]]:
    """The turns of each contender, one in each round."""
    found: dict[str, list[Turn]] = {each.name: [] for each in contenders}
    for number in range(-1, rounds):
        for each in contenders:
            result = await turn(each, connections, seconds)
            if number >= 0:
                found[each.name].append(result)
    return found


def last_line(log: TextIO) -> str:
    """What a server said last."""
    log.seek(0)
    return next((line.strip() for line in reversed(log.readlines()) if line.strip()), "")


def round_trips(
    url: str,
    contender: tuple[str, str, str, str],
    environment: dict[str, str],
    headers: dict[str, str],
    log: TextIO,
) -> float:
    """Messages to PostgreSQL for one request, on average, once its statements are prepared."""
    _, factory, python, path = contender
    with proxied(url) as proxy:
        environment = environment | {"DATABASE_URL": proxy.url, "DATABASE_POOL_SIZE": "1"}
        with serving(environment, factory=factory, python=python, workers=1, log=log) as server:
            requests = Requests(path, headers)
            asyncio.run(load(server.port, requests, 1, 1.0))
            proxy.sent.clear()
            tally = asyncio.run(load(server.port, requests, 1, 1.0))
            return round(len(proxy.sent) / sum(tally.statuses.values()), 1)


def main() -> None:
    """Print requests a second and round trips, as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--key", required=True)
    parser.add_argument("--peers", type=Path, required=True, help="their environment's Python")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=0.6)
    chosen = parser.parse_args()
    own = str(Path(os.environ.get("VIRTUAL_ENV", ".venv"), "bin", "python"))
    headers = {"Authorization": f"Bearer {chosen.key}"}
    url = os.environ["DATABASE_URL"]
    wanted = [("bare", PLAIN, own, BARE), ("keyed", PLAIN, own, KEYED)]
    wanted += [(name, f"tests.idempotency.peers:{name}", str(chosen.peers), BARE) for name in PEERS]
    with ExitStack() as stack:
        log = stack.enter_context(TemporaryFile("a+"))
        environment = {
            "DATABASE_URL": url,
            "REDIS_URL": stack.enter_context(redis(chosen.peers)),
            "ENVIRONMENT": "production",  # where lines are JSON, without colours
        }
        trips, failed = {}, {}
        for each in wanted:
            try:
                trips[each[0]] = round_trips(url, each, environment, headers, log)
            except (AssertionError, SystemExit, ValueError) as error:
                if each[0] not in PEERS:
                    raise
                failed[each[0]] = f"{error}: {last_line(log)}"
        servers: dict[tuple[str, str], Server] = {}
        contenders = []
        for name, factory, python, path in wanted:
            if name in failed:
                continue
            if (factory, python) not in servers:
                server = serving(environment, factory=factory, python=python, workers=1, log=log)
                servers[factory, python] = stack.enter_context(server)
            contenders.append(Contender(name, servers[factory, python], Requests(path, headers)))
        found = {
            connections: asyncio.run(turns(contenders, connections, chosen.rounds, chosen.seconds))
            for connections in (1, 16, 64)
        }
    measured = {
        connections: {name: [asdict(each) for each in each_turn] for name, each_turn in by.items()}
        for connections, by in found.items()
    }
    print(json.dumps({"turns": measured, "round_trips": trips, "failed": failed}))


if __name__ == "__main__":
    main()
