"""A service whose calls meet another one that hangs, drops, answers late, garbage or never.

What lies in `outgoing/` runs inside the service, with the service's own tools.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from .machine import run
from .rendering import Service

CASES = Path(__file__).with_name("outgoing")
# Here pytest must not take them for this repository's.
NAMES = {"fixtures.py": "conftest.py"} | {
    f"{name}.py": f"test_{name}.py" for name in ("calls", "circuits", "deaths", "problems")
}


@pytest.fixture
def calling(rendered: Callable[..., Service], env: Mapping[str, str]) -> Iterator[Path]:
    """An installed service with the cases among its tests, and a module that makes calls."""
    # Not in the folder of temporary folders, which is closed to the user that PostgreSQL runs as.
    with TemporaryDirectory(prefix="services-") as home:
        folder = Path(home) / "orders"
        shutil.copytree(rendered().folder, folder)
        cases = folder / "tests" / "outgoing"
        cases.mkdir()
        (cases / "__init__.py").touch()
        for file in CASES.glob("*.py"):
            shutil.copy(file, cases / NAMES.get(file.name, file.name))
        shutil.copytree(CASES / "purchases", folder / "src" / "orders" / "modules" / "purchases")
        run("uv", "lock", "--quiet", cwd=folder, env=env)
        run("uv", "sync", "--frozen", "--quiet", cwd=folder, env=env)
        yield folder


def test_calls_end_and_are_made_once(calling: Path, env: Mapping[str, str]) -> None:
    run(".venv/bin/python", "-m", "pytest", "--quiet", "tests/outgoing", cwd=calling, env=env)
