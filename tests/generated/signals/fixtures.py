"""The service as production runs it: `serve`, with its logs and its metrics.

In the service it is `tests/signals/conftest.py`.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from starlette.testclient import TestClient

PATIENCE = 60.0
SAMPLE = re.compile(r"^(\w+)(?:{(.*)})? (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')


def eventually(what: str, look: Callable[[], Any]) -> Any:
    """What `look` returns as soon as it is true."""
    end = time.monotonic() + PATIENCE
    while not (seen := look()):
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.05)
    return seen


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@dataclass
class Served:
    """A running `serve`."""

    process: subprocess.Popen[bytes]
    errors: Path
    port: int
    metrics_port: int
    headers: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, **more: Any) -> httpx2.Response:
        """One request, on a connection of its own."""
        headers = self.headers | more.pop("headers", {})
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx2.request(method, url, headers=headers, timeout=30, trust_env=False, **more)

    def get(self, path: str, **more: Any) -> httpx2.Response:
        return self.call("GET", path, **more)

    def answers(self) -> bool:
        assert self.process.poll() is None, self.errors.read_text()
        try:
            return self.get("/readyz").status_code == 200
        except httpx2.HTTPError:
            return False

    def workers(self) -> list[int]:
        """The processes that answer: not Python's own helper, which tracks their resources."""
        found = []
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):  # it may end while it is looked at, or be a zombie
                if "spawn_main" in " ".join(child.cmdline()):
                    found.append(child.pid)
        return found

    def lines(self, event: str = "request") -> list[dict[str, Any]]:
        """What was logged, of one kind; every line is an object."""
        whole = [
            line for line in self.errors.read_text().splitlines(keepends=True) if line[-1:] == "\n"
        ]
        return [line for line in map(json.loads, whole) if line["event"].startswith(event)]

    def metrics(self) -> dict[tuple[str, tuple[str, ...]], float]:
        """The values by name and labels' values, the latter in the order of the labels' names."""
        text = httpx2.get(f"http://127.0.0.1:{self.metrics_port}/metrics", trust_env=False).text
        return {
            (name, tuple(value for _, value in sorted(LABEL.findall(labels)))): float(value)
            for name, labels, value in SAMPLE.findall(text)
        }

    def metric(self, name: str, *labels: str) -> float:
        return self.metrics().get((name, labels), 0.0)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)


Serve = Callable[..., AbstractContextManager[Served]]


@pytest.fixture
def serve(database_url: str, new_caller: Callable[..., dict[str, str]], tmp_path: Path) -> Serve:
    """Starts the service in production's settings, and others if need be."""

    @contextmanager
    def start(
        *, wait: bool = True, folder: Path | None = None, **settings: str
    ) -> Iterator[Served]:
        given = {
            "ENVIRONMENT": "production",
            "API_KEY_PEPPER": "p" * 32,
            "DATABASE_URL": database_url,
            "METRICS_PORT": str(free_port()),
            "PORT": str(free_port()),
            "WEB_CONCURRENCY": "2",
            "DATABASE_MAX_CONNECTIONS": "200",
            "DRAIN_SECONDS": "0",
        } | settings
        errors = tmp_path / f"errors-{given['PORT']}"
        command = [sys.executable, "-m", "orders", "serve"]
        with (
            errors.open("wb") as stderr,
            subprocess.Popen(command, env=os.environ | given, stderr=stderr, cwd=folder) as process,
        ):
            served = Served(process, errors, int(given["PORT"]), int(given["METRICS_PORT"]))
            try:
                if wait:
                    served.headers = key(given)
                    eventually("it is ready", served.answers)
                yield served
            finally:
                if process.poll() is None:
                    process.terminate()
                process.wait(PATIENCE)

    def key(given: dict[str, str]) -> dict[str, str]:
        made = [sys.executable, "-m", "orders", "keys", "create", "--account", given["PORT"]]
        made += ["--name", "test", "--scope", "*"]
        done = subprocess.run(
            made, env=os.environ | given, check=True, stdout=subprocess.PIPE, text=True
        )
        return {"Authorization": f"Bearer {done.stdout.strip()}"}

    return start


@pytest.fixture
def local(service: TestClient) -> TestClient:
    """The service in this process."""
    return service


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
