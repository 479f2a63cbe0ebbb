"""The same route without limits, with the kit's and with others': taking turns, one worker each."""

import argparse
import asyncio
import json
import os
import statistics
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryFile

from orders.kit.rate_limit.memory import MOST, MemoryStore
from orders.kit.rate_limit.policy import RateLimitPolicy
from tests.idempotency.limiters import PATH
from tests.idempotency.load import Requests
from tests.idempotency.serving import serving
from tests.idempotency.throughput import Contender, last_line, turn, turns

OURS = ("bare", "stack", "memory", "postgres")
PEERS = ("slowapi", "fastapi_limiter")


def bucket_us() -> dict[str, float]:
    """A request against one bucket, and against a new one when as many as there may be are kept."""
    store, policy = MemoryStore(), RateLimitPolicy("bench", 100, seconds=3600)
    for number in range(MOST):
        store.take(policy, f"one {number}")
    found = {}
    for name, key in (("one key", "one {0}"), ("always another", "two {1}")):
        samples = []
        for number in range(20_000):
            who = key.format(0, number)
            began = time.perf_counter_ns()
            store.take(policy, who)
            samples.append((time.perf_counter_ns() - began) / 1000)
        found[f"{name}, median"] = round(statistics.median(samples), 2)
        found[f"{name}, p99"] = round(statistics.quantiles(samples, n=100)[-1], 2)
    return found


def main() -> None:
    """Print requests a second and CPU, as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", type=Path, required=True, help="their environment's Python")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=0.3)
    chosen = parser.parse_args()
    own = str(Path(os.environ.get("VIRTUAL_ENV", ".venv"), "bin", "python"))
    pythons = dict.fromkeys(OURS, own) | dict.fromkeys(PEERS, str(chosen.peers))
    environment = {"DATABASE_URL": os.environ["DATABASE_URL"], "ENVIRONMENT": "production"}
    with ExitStack() as running:
        log = running.enter_context(TemporaryFile("a+"))
        contenders, failed = [], {}
        for name, python in pythons.items():
            factory = f"tests.idempotency.limiters:{name}"
            server = serving(environment, factory=factory, python=python, workers=1, log=log)
            try:
                one = Contender(name, running.enter_context(server), Requests(PATH, {}))
                asyncio.run(turn(one, 1, 0.1))
            except (AssertionError, SystemExit, ValueError) as error:
                if name in OURS:
                    raise
                failed[name] = f"{error}: {last_line(log)}"
            else:
                contenders.append(one)
        found = {
            connections: asyncio.run(turns(contenders, connections, chosen.rounds, chosen.seconds))
            for connections in (1, 16)
        }
    measured = {
        connections: {name: [asdict(each) for each in each_turn] for name, each_turn in by.items()}
        for connections, by in found.items()
    }
    print(json.dumps({"turns": measured, "bucket_us": bucket_us(), "failed": failed}))


if __name__ == "__main__":
    main()
