"""`python -m tests.idempotency.workers MODULE:FACTORY WORKERS GRACE`: uvicorn, forked.

The parent listens, imports the application and forks; a worker that dies is replaced at once. Its
first line of output is the port. It ends, with its workers, when its standard input ends: nothing
of it survives the tests.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module

import uvicorn
from starlette.types import ASGIApp


class Supervisor:
    """Keeps a number of workers alive until it is told to stop."""

    def __init__(self, create: Callable[[], ASGIApp], grace: int) -> None:
        self._create = create
        self._grace = grace
        self._workers: set[int] = set()
        self._stopping = False
        self._listening = socket.socket()
        self._listening.bind(("127.0.0.1", 0))
        self._listening.listen(2048)
        self.port = self._listening.getsockname()[1]

    def fork(self) -> None:
        pid = os.fork()
        if pid:
            self._workers.add(pid)
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        settings = uvicorn.Config(
            self._create,
            factory=True,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=self._grace,
        )
        uvicorn.Server(settings).run(sockets=[self._listening])
        os._exit(0)

    def stop(self, *_: object) -> None:
        self._stopping = True
        self._signal(signal.SIGTERM)

    def stop_with_the_parent(self) -> None:
        sys.stdin.read()
        self._signal(signal.SIGKILL)
        os._exit(0)

    def watch(self) -> None:
        """Replace who dies."""
        while self._workers:
            pid, _ = os.wait()
            self._workers.discard(pid)
            if not self._stopping:
                self.fork()

    def _signal(self, number: int) -> None:
        for pid in list(self._workers):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def main(factory: str, count: int, grace: int) -> None:
    module, _, name = factory.partition(":")
    supervisor = Supervisor(getattr(import_module(module), name), grace)
    signal.signal(signal.SIGTERM, supervisor.stop)
    for _ in range(count):
        supervisor.fork()
    print(supervisor.port, flush=True)
    threading.Thread(target=supervisor.stop_with_the_parent, daemon=True).start()
    supervisor.watch()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
