"""Real servers, in processes of their own."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import TextIO

import psutil
from tests.idempotency.wire import Client

SERVICE = "tests.idempotency.dying:create_app"
PATIENCE = 30.0


@dataclass(frozen=True)
class Server:
    """A supervisor and its workers, on a port of loopback."""

    process: subprocess.Popen[str]
    port: int

    def workers(self) -> list[int]:
        return [child.pid for child in psutil.Process(self.process.pid).children()]

    def kill_one(self) -> None:
        """`kill -9` of a worker, whatever it is doing."""
        if workers := self.workers():
            os.kill(random.choice(workers), signal.SIGKILL)  # noqa: S311

    def terminate(self) -> None:
        """What a deployment does: SIGTERM, and a wait."""
        self.process.terminate()
        self.process.wait(PATIENCE)

    def client(self) -> Client:
        return Client("127.0.0.1", self.port)

    def wait(self, path: str = "/livez") -> None:
        """Wait until it answers: before that, a failed request says nothing."""
        end = time.monotonic() + PATIENCE
        while True:
            connection = HTTPConnection("127.0.0.1", self.port, timeout=2)
            try:
                connection.request("GET", path)
                if connection.getresponse().status < 500:
                    return
            except (OSError, HTTPException):
                pass
            finally:
                connection.close()
            assert time.monotonic() < end, "the server does not answer"
            assert self.process.poll() is None, "the server ended"
            time.sleep(0.05)


@contextmanager
def serving(
    environment: Mapping[str, str],
    *,
    factory: str = SERVICE,
    workers: int = 2,
    grace: int = 10,
    python: str = sys.executable,
    log: TextIO | None = None,
) -> Iterator[Server]:
    """Serve `factory` with these environment variables; its log goes to `log`, or where ours does."""
    module = [python, "-m", "tests.idempotency.workers", factory, str(workers), str(grace)]
    with subprocess.Popen(
        module,
        env=os.environ | {"ENVIRONMENT": "development"} | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            server = Server(process, int(process.stdout.readline()))
            server.wait()
            yield server
        finally:
            process.stdin.close()
            process.wait(PATIENCE)
