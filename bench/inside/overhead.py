"""The service's requests and its middleware, against the same without the kit: taking turns."""

import argparse
import asyncio
import json
import os
import sys
from contextlib import ExitStack
from dataclasses import asdict
from http.client import HTTPConnection
from tempfile import TemporaryFile

from orders.main import create_app
from tests.idempotency import limiters
from tests.idempotency.load import Requests, load
from tests.idempotency.serving import Server, serving
from tests.idempotency.throughput import Contender, turns

PAYMENTS, PLAIN, KEYED = "/api/v1/payments", "/api/v1/charges/bare", "/api/v1/charges/keyed"
ALL = "all of them"

# A service in production, which limits in memory and refuses nobody.
PRODUCTION = {
    "ENVIRONMENT": "production",
    "RATE_LIMIT_ENABLED": "true",
    "RATE_LIMIT_STORE": "memory",
    "RATE_LIMIT_CALLER": str(limiters.MANY),
    "RATE_LIMIT_ADDRESS": str(limiters.MANY),
}


def first_payment(server: Server, headers: dict[str, str]) -> str:
    """The path of one."""
    connection = HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", f"{PAYMENTS}?limit=1", headers=headers)
    found = json.load(connection.getresponse())["items"]
    connection.close()
    return f"{PAYMENTS}/{found[0]['public_id']}"


def services(ours: Server, bare: Server, driver: Server, key: str) -> list[Contender]:
    """What the service answers, and what its rival can: it knows no idempotency keys."""
    headers = {"Authorization": f"Bearer {key}"}
    post, replay = Requests(PLAIN, headers), Requests(KEYED, headers, repeated=True)
    asyncio.run(load(ours.port, post, 1, 1.0))  # the rows of a page
    asyncio.run(load(ours.port, replay, 1, 0.1))  # the answer that is replayed
    both = {
        "get": Requests(first_payment(ours, headers), headers, "GET"),
        "list": Requests(f"{PAYMENTS}?limit=20", headers, "GET"),
        "post": post,
    }
    floor = Contender("floor get", driver, both["get"])
    alone = {"idempotent post": Requests(KEYED, headers), "replay": replay}
    return [
        *(Contender(name, ours, each) for name, each in (both | alone).items()),
        *(Contender(f"bare {name}", bare, each) for name, each in both.items()),
        floor,
    ]


def main() -> None:
    """Print requests a second and CPU, and each contender's rival, as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--key", required=True)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.3)
    chosen = parser.parse_args()
    os.environ |= PRODUCTION
    layers = [each.cls.__name__ for each in create_app().user_middleware]
    with ExitStack() as running:
        log = running.enter_context(TemporaryFile("w"))

        def serve(module: str, factory: str = "create_app", layer: str = "") -> Server:
            environment = PRODUCTION | {"BENCH_MIDDLEWARE": layer}
            server = serving(
                environment,
                factory=f"{module}:{factory}",
                python=sys.executable,
                workers=1,
                log=log,
            )
            return running.enter_context(server)

        def parts() -> list[Contender]:
            route, made = Requests(limiters.PATH, {}), limiters.__name__
            return [
                Contender("bare", serve(made, "bare"), route),
                Contender(ALL, serve(made, "memory"), route),
                *(Contender(layer, serve(made, "alone", layer), route) for layer in layers),
            ]

        ours, bare = serve("orders.main"), serve("tests.idempotency.bare")
        driver = serve("tests.idempotency.floor")
        middleware = parts()
        whole = [*services(ours, bare, driver, chosen.key), *middleware[:2]]
        contenders = {1: whole, 16: [*whole, *middleware[2:]], 64: whole}
        found = {
            connections: asyncio.run(turns(each, connections, chosen.rounds, chosen.seconds))
            for connections, each in contenders.items()
        }
        path = whole[0].requests.path
    rivals = {name: f"bare {name}" for name in ("get", "list", "post")}
    rivals["floor get"] = "bare get"
    rivals |= dict.fromkeys(("idempotent post", "replay"), "bare post")
    rivals |= dict.fromkeys((ALL, *layers), "bare")
    measured = {
        connections: {name: [asdict(each) for each in one] for name, one in by.items()}
        for connections, by in found.items()
    }
    print(json.dumps({"turns": measured, "rivals": rivals, "path": path}))


if __name__ == "__main__":
    main()
