"""The commands of a service that was just made: `make test` and the like.

They see neither this program's virtual environment, nor the make and the git that it may run
under, nor a configured database: a new service never touches one that somebody uses.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from uv import find_uv_bin

from roadbed import git
from roadbed.errors import RoadbedError

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 10.0  # seconds that an interrupted command may take to clean up, before harder signals
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TAIL = 40  # lines of a failed command's output

_PRIVATE = {
    *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT", "UV_PROJECT"),
    *("MAKEFLAGS", "MFLAGS", "GNUMAKEFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "MAKEFILES"),
    *("DATABASE_URL", "DATABASE_OWNER_URL", "PYTEST_ADDOPTS"),
    *git.PLACES,
}


class CommandFailed(Exception):
    """A command exited with another code than 0. `str()` of it is the end of its output."""


def require(option: str) -> None:
    """Make sure that what a service's commands need is there; `option` would do without them.

    Raises:
        RoadbedError: make or uv is missing.
    """
    if shutil.which("make") is None:
        raise RoadbedError(
            "There is no make on PATH, and a service's commands are make targets.",
            f"Install make, or do without: {option}.",
        )
    try:
        uv()
    except FileNotFoundError as error:
        raise RoadbedError(
            f"The uv that Roadbed locks and installs with is not there: {error}.",
            f"Install Roadbed again, or do without: {option}.",
        ) from error


def uv() -> str:
    """The program of the `uv` wheel: a service can be locked where no other uv is."""
    return find_uv_bin()


def run(*words: str, at: Path) -> None:
    """Run a command in the folder `at`, and wait for it.

    Raises:
        CommandFailed, KeyboardInterrupt: as `Command.wait`.
    """
    Command(*words, at=at).wait()


class Command:
    """A command in the folder `at`, which may go on beside others."""

    def __init__(self, *words: str, at: Path) -> None:
        self._words = words
        self._at = at
        self._process: subprocess.Popen[bytes] | None = None
        self._began, self._took = 0.0, 0.0

    def start(self) -> subprocess.Popen[bytes]:
        """Let it begin."""
        self._began = time.perf_counter()
        # A file and not a pipe: a server that outlives the command would hold a pipe open.
        self._output = TemporaryFile()  # noqa: SIM115 (as long as the command goes on)
        with _undisturbed():
            self._process = subprocess.Popen(
                self._words,
                cwd=self._at,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        return self._process

    @property
    def seconds(self) -> float:
        """How long it has gone on, or did."""
        return self._took or (time.perf_counter() - self._began if self._began else 0.0)

    def look(self) -> None:
        """Note its time, if it has come to its end meanwhile."""
        if not self._took and self._process is not None and self._process.poll() is not None:
            self._took = self.seconds

    def wait(self) -> None:
        """Wait for its end; it begins now, if it has not.

        Interrupted, it interrupts the command and all that the command started, and waits for them.

        Raises:
            CommandFailed: it exited with another code than 0.
            KeyboardInterrupt: as it was.
        """
        with closing(self):
            process = self._process or self.start()
            if code := process.wait():
                self._output.seek(0)
                lines = self._output.read().decode(errors="replace").rstrip().splitlines()
                said = "\n".join(lines[-_TAIL:])
                raise CommandFailed(said or f"{self._words[0]} exited with {code}")

    def close(self) -> None:
        """End it, if it goes on."""
        if self._process is not None:
            if self._process.poll() is None:
                _stop(self._process)
            self._output.close()


def makes(folder: Path, target: str) -> bool:
    """Whether the Makefile in `folder` has this target."""
    makefile = folder / "Makefile"
    rule = re.compile(rf"^([\w.-]+ +)*{target}( +[\w.-]+)*:(?!=)", re.MULTILINE)
    return makefile.is_file() and bool(rule.search(makefile.read_text("utf-8", "replace")))


def environment() -> dict[str, str]:
    """The environment of a service's commands."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _PRIVATE and not name.startswith("PYTEST_XDIST")
    }
    tools = str(Path(uv()).parent)
    return kept | {
        "PATH": os.pathsep.join(filter(None, [kept.get("PATH", os.defpath), tools])),
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
    }


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let signals wait: a command that began as one came would go on, and nobody would know it.

    By handlers and not by a mask, which the command would inherit, as it does what is ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # no signal is handled here
        return
    late: list[int] = []
    heard = [each for each in _SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, lambda number, _: late.append(number)) for each in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for caught in late[:1]:
            signal.raise_signal(caught)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a command and what it started; harder when it takes too long or is interrupted again."""
    for request in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            _signal(process, request)
            process.wait(PATIENCE)
            break
    _signal(process, signal.SIGTERM)  # to what it left behind


def _signal(process: subprocess.Popen[bytes], request: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, request)
