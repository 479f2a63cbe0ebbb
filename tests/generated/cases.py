"""Cases: tests that run inside a service, with its interpreter, its fixtures and its database.

This repository does not collect them. A folder of cases is laid over a service: `fixtures.py`
becomes its tests' `conftest.py`, a package becomes a module of the service, `migration.py` its next
migration, and files with tests get a name that pytest knows.
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from .machine import run
from .rendering import Service

HERE = Path(__file__).parent
TEST = re.compile(r"^\s*(async )?def test_|^class Test", re.MULTILINE)


def lay_over(service: Service, name: str, *shared: str) -> Path:
    """Put the cases called `name` into a service, and files of other cases; returns their folder."""
    folder = service.folder / "tests" / name
    folder.mkdir()
    for entry in (HERE / name).iterdir():
        if entry.is_dir() and entry.name != "__pycache__":
            modules = service.folder / "src" / service.package / "modules"
            unwanted = shutil.ignore_patterns("__pycache__")
            shutil.copytree(entry, modules / entry.name, ignore=unwanted)
        elif entry.name == "migration.py":
            shutil.copy(entry, service.folder / "migrations" / "service" / f"0002_{name}.py")
        elif entry.suffix == ".py":
            shutil.copy(entry, folder / _name_for_pytest(entry))
    for path in shared:
        shutil.copy(HERE / path, folder)
    return folder


def run_cases(service: Service, name: str, env: Mapping[str, str], *options: str) -> str:
    """Run the cases called `name` in an installed service, where all of them have to pass."""
    python = service.folder / ".venv" / "bin" / "python"
    tests = ["--quiet", "--durations=5", *options, f"tests/{name}"]
    return run(python, "-m", "pytest", *tests, cwd=service.folder, env=env)


def _name_for_pytest(file: Path) -> str:
    if file.name == "fixtures.py":
        return "conftest.py"
    return f"test_{file.name}" if TEST.search(file.read_text(encoding="utf-8")) else file.name
