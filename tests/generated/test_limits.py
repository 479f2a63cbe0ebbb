"""What the rate limits of a service promise, on each store: to crowds, floods and outages.

What lies in `limits/` runs inside a service that chose Redis, with the service's own tools, on a
real PostgreSQL and a real redis-server.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from .machine import run
from .rendering import Service

CASES = Path(__file__).with_name("limits")
# Here pytest must not take them for this repository's.
NAMES = {"fixtures.py": "conftest.py"} | {
    f"{name}.py": f"test_{name}.py" for name in ("answers", "buckets", "outages", "processes")
}


@pytest.fixture
def limiting(rendered: Callable[..., Service], env: Mapping[str, str]) -> Iterator[Path]:
    """An installed service with the cases among its tests, and a module of limited routes."""
    # Not in the folder of temporary folders, which is closed to the user that PostgreSQL runs as.
    with TemporaryDirectory(prefix="services-") as home:
        folder = Path(home) / "orders"
        shutil.copytree(rendered(redis=True).folder, folder)
        cases = folder / "tests" / "limits"
        cases.mkdir()
        (cases / "__init__.py").touch()
        for file in CASES.glob("*.py"):
            shutil.copy(file, cases / NAMES.get(file.name, file.name))
        workers = folder / "tests" / "idempotency"
        workers.mkdir()
        for name in ("serving", "wire", "workers"):
            shutil.copy(CASES.with_name("idempotency") / f"{name}.py", workers)
        shutil.copytree(CASES / "gauges", folder / "src" / "orders" / "modules" / "gauges")
        run("uv", "lock", "--quiet", cwd=folder, env=env)
        run("uv", "sync", "--frozen", "--quiet", cwd=folder, env=env)
        yield folder


def test_every_case_of_rate_limits(limiting: Path, env: Mapping[str, str]) -> None:
    run(".venv/bin/python", "-m", "pytest", "--quiet", "tests/limits", cwd=limiting, env=env)
