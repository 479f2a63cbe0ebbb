"""Time to first green: from nothing but uv to a new service whose own tests have passed.

Each generator as its README says, in a folder of its own, with uv on PATH and no database, Docker or
other service: the generator is installed, makes a service, the service is installed and its suite is
run. Packages come from uv's cache, which the look whether it goes green has filled; `cold` is one run
of each with an empty cache. A generator whose suite does not pass is not green: it is listed with its
last words.

Cookiecutter has a template of FastAPI, SQLAlchemy and PostgreSQL from the package index. Its suite is
two tests, a health check and a 404, and no database: it is shown, and the goal leaves it out.

Peers want a newer Python than Roadbed: PEER_PYTHON names one (3.12 or newer).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from uv import find_uv_bin

from bench.harness import Contender, measure, report
from bench.peers import last_words
from bench.results import Figure, Result, times

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKOUT = Path(__file__).parents[1]
ROUNDS = 5
SHOWN = {"cookiecutter"}  # and not what the goal is measured by
GOAL = 2.0  # times as fast as the fastest peer that goes green
OURS = "roadbed"

_FASTAPI_TEMPLATE = (
    "--api-type rest --db postgresql --orm sqlalchemy --migrations --routers --dummy --ci none"
)
WAYS = {
    OURS: [
        f"git clone --quiet {CHECKOUT} roadbed",
        "make --silent -C roadbed new name=orders 'args=--defaults --quiet'",
    ],
    "fastapi-fullstack": [
        "uv venv --quiet generator",
        "uv pip install --quiet --python generator fastapi-fullstack==0.2.21",
        "generator/bin/fastapi-fullstack create orders --minimal --ai-framework none --frontend none",
        "cd orders/backend && uv sync --quiet && uv run --quiet pytest --quiet",
    ],
    "cookiecutter": [
        "uv venv --quiet generator",
        "uv pip install --quiet --python generator cookiecutter-fastapi-starter==0.2.0",
        "generator/bin/cookiecutter-fastapi-starter --no-input project_slug=orders",
        "cd orders && uv venv --quiet && uv pip install --quiet --python .venv --editable '.[dev]'",
        "cd orders && .venv/bin/python -m pytest --quiet",
    ],
    "fastapi_template": [
        "uv venv --quiet generator",
        "uv pip install --quiet --python generator fastapi_template==6.1.2",
        f"generator/bin/fastapi_template --quiet --name orders {_FASTAPI_TEMPLATE}",
        "cd orders && uv sync --quiet && uv run --quiet pytest --quiet",
    ],
}


def run() -> Result:
    """Measure and report."""
    with TemporaryDirectory(prefix="bench-green-") as scratch:
        env = _environment(Path(scratch))
        red = {name: words for name in WAYS if (words := _red(name, env))}
        for name, words in red.items():
            print(f"{'green':<10} {name} is RED: {words}")
        cold = {name: _cold(name, env) for name in WAYS if name not in red}
        green = [Contender(name, _way(name, env)) for name in WAYS if name not in red]
        measured = {each.name: each for each in measure(green, rounds=ROUNDS, warm_up=0)}
    figures = report("green", list(measured.values()))
    figures += [Figure(f"{name}, cold", each, each, each) for name, each in cold.items()]
    ours = measured.pop(OURS)
    fastest = min(
        (each for each in measured.values() if each.name not in SHOWN),
        key=lambda each: each.median,
    )
    claim = (
        f"`{fastest.name}`, the fastest peer to go green, takes, of `make new` in a clean clone,"
    )
    goal = times(claim, fastest.seconds, ours.seconds, GOAL, at_most=False)
    return Result("first-green", "s", figures, [goal], failed=red)


def _way(name: str, env: dict[str, str]) -> Callable[[Path], None]:
    def go(folder: Path) -> None:
        if os.geteuid() == 0:
            folder.chmod(0o755)  # for root PostgreSQL runs as a user of its own
        for line in WAYS[name]:
            subprocess.run(  # noqa: S602
                line, shell=True, cwd=folder, env=env, check=True, capture_output=True, text=True
            )

    return go


def _red(name: str, env: dict[str, str]) -> str:
    """The last words of a generator whose service does not pass its own suite."""
    with TemporaryDirectory(prefix="bench-green-") as folder:
        try:
            _way(name, env)(Path(folder))
        except subprocess.CalledProcessError as error:
            return last_words(error)
    return ""


def _cold(name: str, env: dict[str, str]) -> float:
    """Seconds with an empty cache, once."""
    with TemporaryDirectory(prefix="bench-cache-") as cache:
        cold = env | {"UV_CACHE_DIR": cache}
        (measured,) = measure([Contender(name, _way(name, cold))], rounds=1, warm_up=0)
    return measured.median


def _environment(scratch: Path) -> dict[str, str]:
    """A developer's who has uv, git and make, and an identity for git."""
    (scratch / "bin").mkdir()
    (scratch / "bin/uv").symlink_to(find_uv_bin())
    without = {"VIRTUAL_ENV", "PYTHONPATH", "DATABASE_URL", "PYTHONDONTWRITEBYTECODE"}
    return {
        **{key: value for key, value in os.environ.items() if key not in without},
        "PATH": f"{scratch / 'bin'}:{os.environ['PATH']}",
        "UV_PYTHON": os.environ.get("PEER_PYTHON") or shutil.which("python3.13") or sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
        "PYTHON": sys.executable,
        **{f"GIT_{who}_NAME": "Ada" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "ada@example.com" for who in ("AUTHOR", "COMMITTER")},
    }
