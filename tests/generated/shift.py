"""Who is on call for a service, with its RUNBOOK and a shell: what they type is what stands there."""

import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from .documented import commands
from .machine import PATIENCE, eventually
from .rendering import Service

DOCUMENTS = ("README.md", "RUNBOOK.md", "ARCHITECTURE.md")


def told(service: Service) -> list[str]:
    """Every command of a service's documents."""
    texts = service.texts(*DOCUMENTS)
    return [command for name in DOCUMENTS for command in commands(texts[name])]


@dataclass(frozen=True)
class Answer:
    """What a client gets."""

    status: int
    text: str

    @property
    def public_id(self) -> str:
        """Of the one thing that it shows."""
        return public_id(self.text)


@dataclass(frozen=True)
class Shift:
    """A service in production, as far as one machine allows.

    Attributes:
        env: of the person's terminal, with the settings of production.
        address: where it serves.
        log: what it says.
        key: of a client.
    """

    service: Service
    env: dict[str, str]
    address: str
    log: Path
    key: str

    def command(self, start: str, **filled: str) -> str:
        """The one command of the documents that begins so, with its capitals filled in."""
        (found,) = {each for each in told(self.service) if each.startswith(start)}
        for capitals, value in filled.items():
            assert capitals in found
            found = found.replace(capitals, value)
        return found

    def shell(self, *lines: str) -> str:
        """What `make shell` prints when these lines are typed; each of them has to succeed."""
        done = subprocess.run(
            ["make", "shell"],
            cwd=self.service.folder,
            env=self.env,
            input="\n".join(["set -eu", *lines, ""]),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{lines} said {done.returncode}:\n{done.stdout}"
        return done.stdout

    def call(
        self, method: str, path: str, *, key: str = "", at: str = "", body: str = ""
    ) -> Answer:
        """A request of a client, with another key or to another address than usual if given."""
        return call(method, f"{at or self.address}{path}", key or self.key, body)


def public_id(text: str) -> str:
    """The only one in an answer."""
    (found,) = re.findall(r'"public_id":"([^"]+)"', text)
    return str(found)


def call(method: str, url: str, key: str, body: str = "") -> Answer:
    """A request of a client."""
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": str(uuid4())}
    if body:
        headers["Content-Type"] = "application/json"
    asked = urllib.request.Request(url, body.encode() or None, headers, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:  # noqa: S310
            return Answer(answer.status, answer.read().decode())
    except urllib.error.HTTPError as refused:
        return Answer(refused.code, refused.read().decode())


@contextmanager
def served(
    service: Service, env: Mapping[str, str], serve: str, folder: Path, *before: str
) -> Iterator[tuple[str, int, Path]]:
    """A process of a release, started in `folder` by `serve`: its address, its number and its log.

    What is typed `before` goes on beside it where it ends with an ampersand.
    """
    port = free_port()
    log, number = (service.folder.with_name(f"{name}-{port}") for name in ("log", "pid"))
    with log.open("wb") as errors:
        shell = subprocess.Popen(
            ["make", "shell"],
            cwd=service.folder,
            env={"METRICS_PORT": "0", **env, "PORT": port},
            stdin=subprocess.PIPE,
            stdout=errors,
            stderr=errors,
            start_new_session=True,
        )
    assert shell.stdin is not None
    typed = ["set -eu", f"cd {folder}", f"echo $$ > {number}", *before, f"exec {serve}", ""]
    shell.stdin.write("\n".join(typed).encode())
    shell.stdin.close()
    address = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        assert shell.poll() is None, log.read_text()
        try:
            return call("GET", f"{address}/readyz", "").status == 200
        except urllib.error.URLError:
            return False

    try:
        eventually(ready, log.read_text)
        yield address, int(number.read_text()), log
    finally:
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGKILL)
        shell.wait(PATIENCE)


def free_port() -> str:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return str(listening.getsockname()[1])
