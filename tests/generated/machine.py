"""The machine that services live on: its environment, and the processes that tests start."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import uv

# What a machine needs to reach the package index, and nothing that could tell a service how to
# behave: not DATABASE_URL or VIRTUAL_ENV, and not the variables of the `make` that runs the tests.
KEPT = re.compile(
    r"LANG|LC_.*|TZ|TMPDIR|(https?|all|no)_proxy|.*CERT.*|.*CA_BUNDLE"
    r"|(PIP|UV)_(DEFAULT_INDEX|.*INDEX_URL|FIND_LINKS|CONFIG_FILE|DEFAULT_TIMEOUT)",
    re.IGNORECASE,
)

# The programs of a machine that has python3, git, make and the system's own tools.
PLAIN_TOOLS = [
    "make",
    "git",
    "sh",
    "sed",
    "tar",
    "gzip",
    "cat",
    "chmod",
    "chown",
    "cp",
    "cut",
    "date",
    "dirname",
    "basename",
    "echo",
    "env",
    "expand",
    "expr",
    "false",
    "head",
    "id",
    "install",
    "ln",
    "locale",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "printf",
    "pwd",
    "readlink",
    "rm",
    "rmdir",
    "sleep",
    "sort",
    "stat",
    "tail",
    "tee",
    "test",
    "touch",
    "tr",
    "true",
    "uname",
    "uniq",
    "useradd",
    "wc",
]

PATIENCE = 60.0

T = TypeVar("T")


def environment(home: Path, *, path: str) -> dict[str, str]:
    """A clean environment with a home of its own; only uv's cache is shared, for speed."""
    cache = subprocess.run(
        [uv.find_uv_bin(), "cache", "dir"], check=True, capture_output=True, text=True
    )
    return {name: value for name, value in os.environ.items() if KEPT.fullmatch(name)} | {
        "PATH": path,
        "HOME": str(home),
        "UV_CACHE_DIR": cache.stdout.strip(),
        "UV_PYTHON_DOWNLOADS": "never",
    }


def path_with_uv(folder: Path) -> str:
    """The caller's PATH, and in front of it uv alone: not the tool chain that lies beside it."""
    folder.mkdir()
    (folder / "uv").symlink_to(uv.find_uv_bin())
    beside = Path(sys.executable).parent
    own = [part for part in os.environ["PATH"].split(os.pathsep) if Path(part) != beside]
    return os.pathsep.join([str(folder), *own])


def path_without_uv(folder: Path) -> str:
    """A PATH with python3, git, make and the system's tools, and nothing else."""
    folder.mkdir()
    (folder / "python3").symlink_to(Path(sys.executable).resolve())
    for tool in PLAIN_TOOLS:
        if found := shutil.which(tool):
            (folder / tool).symlink_to(found)
    return str(folder)


def run(*command: str | Path, cwd: Path, env: Mapping[str, str]) -> str:
    """Run a command that has to succeed; returns all that it printed."""
    done = subprocess.run(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    output = done.stdout.decode()
    assert done.returncode == 0, f"{' '.join(map(str, command))} said {done.returncode}:\n{output}"
    return output


def eventually(look: Callable[[], T | None], complain: Callable[[], str]) -> T:
    """What `look` returns as soon as it is true."""
    end = time.monotonic() + PATIENCE
    while not (seen := look()):
        assert time.monotonic() < end, f"not within {PATIENCE:.0f} s: {complain()}"
        time.sleep(0.05)
    return seen


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits for its parent's attention does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")  # not on every system, and then nothing lingers either
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def postgres_of(service: Path) -> int:
    """The process of a service's embedded PostgreSQL."""
    return int((service / ".postgres" / "postmaster.pid").read_text().splitlines()[0])


@dataclass(frozen=True)
class Running:
    """A service that `make run` serves, in a process group of its own."""

    folder: Path
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def output(self) -> str:
        """All that it printed so far."""
        return self.log.read_text()

    @property
    def address(self) -> str:
        """Where it says that it is: `http://127.0.0.1:8000`."""
        return eventually(self._printed_address, lambda: f"an address in {self.output}")

    def _printed_address(self) -> str | None:
        assert self.process.poll() is None, self.output
        printed = re.search(r"(http://[\d.]+:\d+)/docs", self.output)
        return printed and printed[1]

    def call(self, path: str, payload: object = None) -> tuple[int, str, dict[str, str]]:
        """GET a path, or POST a payload to it: the status, the text and the headers."""
        data = None if payload is None else json.dumps(payload).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid4())}
        if printed := re.search(r"^KEY=(\S+)$", self.output, re.MULTILINE):
            headers["Authorization"] = f"Bearer {printed[1]}"
        request = urllib.request.Request(self.address + path, data, headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
            return answer.status, answer.read().decode(), dict(answer.headers)

    def wait(self) -> None:
        """Wait until it serves."""
        eventually(self._answers, lambda: f"an answer after {self.output}")

    def _answers(self) -> bool:
        try:
            return self.call("/livez")[0] == 200
        except urllib.error.URLError:
            return False

    def interrupt(self) -> None:
        """Ctrl-C: a terminal sends it to every process of the group."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(PATIENCE)

    def is_the_last_to_use(self, postgres: int) -> None:
        """Interrupts it, and looks whether its PostgreSQL goes with it."""
        assert is_alive(postgres)
        self.interrupt()
        eventually(
            lambda: not is_alive(postgres),
            lambda: f"the end of PostgreSQL {postgres}, with {self._users()}, after {self.output}",
        )

    def _users(self) -> str:
        return (self.folder / ".postgres" / ".handle_pids.json").read_text()

    def kill(self) -> None:
        """What a crash of the terminal does: nobody can clean up."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)


@contextmanager
def make_run(service: Path, env: Mapping[str, str], *, wait: bool = True) -> Iterator[Running]:
    """`make run`, as a person types it; whatever is left of it in the end is killed."""
    log = service.with_name(f"{service.name}.{time.monotonic_ns()}.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["make", "run"],
            cwd=service,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = Running(service, process, log)
    try:
        if wait:
            running.wait()
        yield running
    finally:
        if process.poll() is None:
            running.kill()
