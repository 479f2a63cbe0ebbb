"""What the idempotency keys of a service promise, against crashes, crowds and careless handlers.

What lies in `idempotency/` runs inside the service, with the service's own tools.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from .machine import run
from .rendering import Service

CASES = Path(__file__).with_name("idempotency")
# Here pytest must not take them for this repository's.
TESTS = {
    "answers",
    "cancellations",
    "chaos",
    "costs",
    "crowds",
    "documents",
    "expiry",
    "keys",
    "kills",
    "refusals",
    "transactions",
}


def install_cases(service: Path) -> Path:
    """Put the cases and the module that they call into a service; returns their folder."""
    module = service / "src" / "orders" / "modules" / "charges"
    shutil.copytree(CASES / "charges", module, ignore=shutil.ignore_patterns("__pycache__"))
    folder = service / "tests" / "idempotency"
    folder.mkdir()
    for file in CASES.glob("*.py"):
        named = {"fixtures": "conftest.py"}.get(file.stem, file.name)
        shutil.copy(file, folder / (f"test_{named}" if file.stem in TESTS else named))
    return folder


@pytest.fixture(scope="module")
def charging(
    rendered: Callable[..., Service],
    env: Mapping[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """An installed service with a module of charges, and the cases among its tests."""
    folder = tmp_path_factory.mktemp("idempotency") / "orders"
    shutil.copytree(rendered().folder, folder)
    install_cases(folder)
    run("uv", "lock", "--quiet", cwd=folder, env=env)
    run("uv", "sync", "--frozen", "--quiet", cwd=folder, env=env)
    return folder


def test_every_case_of_idempotency(charging: Path, env: Mapping[str, str]) -> None:
    # Crowds call as one caller, and round trips are counted: `limits/` has what both do together.
    env = {**env, "RATE_LIMIT_ENABLED": "false"}
    run(".venv/bin/python", "-m", "pytest", "--quiet", "tests/idempotency", cwd=charging, env=env)
