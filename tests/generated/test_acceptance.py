"""The acceptance cases of the database patterns, run inside a generated service.

`acceptance/` holds tests that this repository does not collect: they are laid over a service of the
default answers, together with two modules that are harder on it than its own, and its own
interpreter and fixtures run them.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .toolbox import once

if TYPE_CHECKING:
    from collections.abc import Callable

    from .rendering import Service

CASES = Path(__file__).parent / "acceptance"
FILES = {
    "fixtures.py": "tests/acceptance/conftest.py",
    "migration.py": "migrations/service/0002_customers.py",
}
TESTS = sorted(path.stem for path in CASES.glob("*.py") if path.name not in FILES)


@pytest.fixture(scope="session")
def accepted(
    everyone: Path, env: dict[str, str], rendered: Callable[..., Service]
) -> tuple[Path, dict[str, str]]:
    """A service, installed, with the cases in it; every test process uses the same one."""
    folder = everyone / "accepted"

    def make() -> None:
        shutil.copytree(rendered().folder, folder)
        for module in ("customers", "trouble"):
            shutil.copytree(CASES / module, folder / "src" / "orders" / "modules" / module)
        (folder / "tests" / "acceptance").mkdir()
        tests = {f"{name}.py": f"tests/acceptance/test_{name}.py" for name in TESTS}
        for source, target in (FILES | tests).items():
            shutil.copy(CASES / source, folder / target)
        subprocess.run(["make", "install"], cwd=folder, env=env, check=True, capture_output=True)

    return once(folder, make), env


@pytest.mark.parametrize("name", TESTS)
def test_a_service_stands(name: str, accepted: tuple[Path, dict[str, str]]) -> None:
    folder, env = accepted
    # Folders of its own: pytest's usual one is closed to the embedded server's user each time that
    # a pytest starts in it.
    own = ("--basetemp", f".pytest/{name}", "-o", "cache_dir=.pytest/cache")
    run = subprocess.run(
        [".venv/bin/python", "-m", "pytest", "--quiet", "--no-header", "-p", "no:randomly",
         *own, f"tests/acceptance/test_{name}.py"],
        cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout
