"""The tests' chaos, on the service or on its POST without a key under another library."""

import argparse
import asyncio
import json
import os
from dataclasses import asdict
from pathlib import Path

from tests.idempotency.harness import PATH, run
from tests.idempotency.serving import SERVICE
from tests.idempotency.stores import redis


def main() -> None:
    """Print what happened, as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--key", required=True)
    parser.add_argument("--peers", type=Path, required=True, help="their environment's Python")
    parser.add_argument("--name", required=True, help="`ours`, or a function of peers.py")
    parser.add_argument("--kills", type=int, required=True)
    chosen = parser.parse_args()
    callers = [{"Authorization": f"Bearer {chosen.key}"}]
    url = os.environ["DATABASE_URL"]
    with redis(chosen.peers) as os.environ["REDIS_URL"]:
        if chosen.name == "ours":
            siege = run(url, callers, kills=chosen.kills, factory=SERVICE, path=PATH)
        else:
            siege = run(
                url,
                callers,
                kills=chosen.kills,
                factory=f"tests.idempotency.peers:{chosen.name}",
                path=f"{PATH}/bare",
                python=str(chosen.peers),
            )
        outcome = asyncio.run(siege)
    print(json.dumps(asdict(outcome) | {"wrong": outcome.wrong}))


if __name__ == "__main__":
    main()
