"""Serve this service to two callers, and let schemathesis try it, with the options that are given.

Exits as schemathesis does: 0 where every check of every answer passed.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from dev.postgres import temporary_database

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
TOOLS = Path(".fuzz")
PYTHON = [sys.executable, "-m"]
# Ten requests a second for ten minutes: a 429 is right then, and not what is asked about.
UNHURRIED = {"RATE_LIMIT_CALLER": "1000000", "RATE_LIMIT_ADDRESS": "1000000"}


def install() -> None:
    """Install what is pinned into an environment of its own: the service needs none of it."""
    pins = ["--require-hashes", "--python", TOOLS, HERE / "requirements.txt"]
    for arguments in (
        ["venv", "--clear", "--python", sys.executable, TOOLS],
        ["pip", "sync", *pins],
    ):
        subprocess.run([*PYTHON, "uv", "--quiet", *arguments], check=True)


def caller(name: str) -> dict[str, object]:
    """A caller with an account and a key, as a Web Fuzzing Commons document names one."""
    who = ("--account", name, "--name", "fuzz", "--scope", "*")
    made = subprocess.run(
        [*PYTHON, "orders", "keys", "create", *who], check=True, stdout=subprocess.PIPE, text=True
    )
    bearer = f"Bearer {made.stdout.strip()}"
    return {"name": name, "fixedHeaders": [{"name": "Authorization", "value": bearer}]}


@contextmanager
def served() -> "Iterator[str]":
    """The service's address, while a worker serves it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = [*PYTHON, "uvicorn", "--factory", "orders.main:create_app", "--log-level=error"]
        process = subprocess.Popen(
            [*server, f"--fd={listening.fileno()}"], pass_fds=[listening.fileno()]
        )
    try:
        while True:
            with suppress(OSError), urllib.request.urlopen(f"{address}/readyz"):  # noqa: S310
                break
            time.sleep(0.1)
        yield address
        assert process.poll() is None, "the service is gone"
    finally:
        process.terminate()
        process.wait()


def main() -> int:
    """Try it."""
    install()
    with temporary_database() as url, TemporaryDirectory() as scratch:
        os.environ |= {"DATABASE_URL": url, "ENVIRONMENT": "development", **UNHURRIED}
        subprocess.run([*PYTHON, "alembic", "upgrade", "heads"], check=True, capture_output=True)
        callers = Path(scratch, "callers.json")
        callers.write_text(json.dumps({"auth": [caller("ada"), caller("bob")]}))
        environment = os.environ | {
            "CALLERS": str(callers),
            "SCHEMATHESIS_HOOKS": "manners",
            "PYTHONPATH": str(HERE),
        }
        with served() as address:
            command = [TOOLS / "bin" / "st", f"--config-file={HERE}/schemathesis.toml", "run"]
            options = ["--checks=all", "--no-color", "--generation-database=none", *sys.argv[1:]]
            options += [f"{address}/openapi.json"]
            return subprocess.run([*command, *options], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
