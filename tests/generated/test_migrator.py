"""How migrations reach a database that others use: `migrator/` runs inside a service."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from .machine import run
from .rendering import Service

CASES = Path(__file__).with_name("migrator") / "cases.py"


def test_the_cases_hold(rendered: Callable[..., Service], env: Mapping[str, str]) -> None:
    """As root, PostgreSQL needs a folder that is open to others."""
    with TemporaryDirectory(prefix="migrator-") as outside:
        Path(outside).chmod(0o755)
        folder = Path(shutil.copytree(rendered().folder, Path(outside) / "orders"))
        shutil.copy(CASES, folder / "tests" / "test_migrator_cases.py")
        run("uv", "lock", "--quiet", cwd=folder, env=env)
        run("uv", "sync", "--frozen", "--quiet", cwd=folder, env=env)
        cases = ["--quiet", "--durations=5", "tests/test_migrator_cases.py"]
        print(run(".venv/bin/python", "-m", "pytest", *cases, cwd=folder, env=env))
