"""A page and a POST with a key of a whole service, beside a FastAPI that only answers: taking turns."""

import argparse
import asyncio
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict
from typing import cast

import httpx2
from tests.idempotency.limiters import PATH
from tests.idempotency.load import Requests
from tests.idempotency.serving import serving
from tests.idempotency.throughput import KEYED, PLAIN, Contender, turns

BARE = "tests.idempotency.limiters:bare"
PAYMENTS = "/api/v1/payments"
ROWS = 20  # of a page


class Reads(Requests):
    """The same page, again and again."""

    def next(self) -> bytes:
        """The next one, which is the same."""
        return cast("bytes", self._head).replace(b"POST ", b"GET ", 1) + b"\r\n\r\n"


def key(environment: dict[str, str]) -> str:
    """A new key for everything."""
    create = [sys.executable, "-m", "orders", "keys", "create"]
    create += ["--account", "capacity", "--name", "bench", "--scope", "*"]
    made = subprocess.run(
        create, env=os.environ | environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return made.stdout.strip()


def fill(port: int, headers: dict[str, str]) -> None:
    """Write a page full of rows."""
    url = f"http://127.0.0.1:{port}{PAYMENTS}"
    for number in range(ROWS):
        told = headers | {"Idempotency-Key": f"row-{os.getpid()}-{number}"}
        new = {"amount": number + 1, "currency": "EUR"}
        httpx2.post(url, json=new, headers=told, trust_env=False).raise_for_status()


def main() -> None:
    """Print CPU and rate of each turn, as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.6)
    parser.add_argument("--connections", type=int, default=16)
    chosen = parser.parse_args()
    environment = {
        "DATABASE_URL": os.environ["DATABASE_URL"],
        "ENVIRONMENT": "production",  # where lines are JSON, without colours
        "API_KEY_PEPPER": "p" * 32,
    }
    headers = {"Authorization": f"Bearer {key(environment)}"}
    with ExitStack() as running:
        bare = running.enter_context(serving(environment, factory=BARE, workers=1))
        ours = running.enter_context(serving(environment, factory=PLAIN, workers=1))
        fill(ours.port, headers)
        contenders = [
            Contender("bare", bare, Requests(PATH, {})),
            Contender("page", ours, Reads(f"{PAYMENTS}?limit={ROWS}", headers)),
            Contender("keyed", ours, Requests(KEYED, headers)),
        ]
        found = asyncio.run(turns(contenders, chosen.connections, chosen.rounds, chosen.seconds))
    print(json.dumps({name: [asdict(each) for each in by] for name, by in found.items()}))


if __name__ == "__main__":
    main()
