"""Where an application's time goes: requests straight into it, one after the other, no server."""

import argparse
import asyncio
import importlib
import json
import os
import time
from collections.abc import MutableMapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pyinstrument import Profiler
from tests.idempotency.limiters import PATH


async def ask(app: FastAPI, scope: dict[str, Any], seconds: float) -> tuple[int, float]:
    """Ask the same for so long; how often that was, and the seconds of one."""
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        status = await _answered(app, scope)
        if status not in {200, 201}:
            raise SystemExit(f"It answered {status}")
        count += 1
    return count, (time.perf_counter() - began) / count


async def _answered(app: FastAPI, scope: dict[str, Any]) -> int:
    statuses = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    # Its own scope and state for each, as a server gives it.
    await app({**scope, "state": dict(scope["state"])}, receive, send)
    return int(statuses[0])


async def profile(app: FastAPI, method: str, path: str, key: str, seconds: float) -> str:
    """The text of pyinstrument: libraries' inner frames are folded into one line, with their time."""
    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {key}".encode())]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    async with app.router.lifespan_context(app) as state:
        scope["state"] = dict(state or {})
        await ask(app, scope, seconds / 2)
        profiler = Profiler(async_mode="disabled")
        with profiler:
            count, one = await ask(app, scope, seconds)
    return f"{count} requests, {1e6 * one:.0f} µs each\n{profiler.output_text()}"


def main() -> None:
    """Print the profile, as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--factory", required=True)
    parser.add_argument("--method", default="POST")
    parser.add_argument("--path", default=PATH)
    parser.add_argument("--key", default="")
    parser.add_argument("--seconds", type=float, default=3.0)
    chosen = parser.parse_args()
    os.environ["ENVIRONMENT"] = "production"  # where lines are JSON, without colours
    module, _, factory = chosen.factory.partition(":")
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        app = getattr(importlib.import_module(module), factory)()
        text = asyncio.run(profile(app, chosen.method, chosen.path, chosen.key, chosen.seconds))
    print(json.dumps({"profile": text}))


if __name__ == "__main__":
    main()
