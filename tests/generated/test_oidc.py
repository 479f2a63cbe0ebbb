"""A service whose callers come with tokens of a provider, against a hostile list of them.

What lies in `oidc/` runs inside the service, with the service's own tools.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from .machine import run
from .rendering import Service

HOSTILE = Path(__file__).with_name("oidc")
# Here pytest must not take them for this repository's.
NAMES = {"fixtures.py": "conftest.py"} | {
    f"{name}.py": f"test_{name}.py" for name in ("accounts", "outages", "tokens")
}


@pytest.fixture(scope="module")
def trusting(town: Callable[..., Service], env: Mapping[str, str]) -> Path:
    """An installed service that can trust a provider."""
    folder = town(oidc=True).folder
    run("uv", "lock", "--quiet", cwd=folder, env=env)
    run("uv", "sync", "--frozen", "--quiet", cwd=folder, env=env)
    return folder


def test_its_own_checks_and_tests_pass(trusting: Path, env: Mapping[str, str]) -> None:
    run("make", "--silent", "setup", "check", cwd=trusting, env=env)


def test_hostile_tokens_open_nothing(trusting: Path, env: Mapping[str, str]) -> None:
    inside = trusting / "tests" / "oidc"
    inside.mkdir()
    for file in HOSTILE.glob("*.py"):
        shutil.copy(file, inside / NAMES.get(file.name, file.name))
    run(".venv/bin/python", "-m", "pytest", "--quiet", inside, cwd=trusting, env=env)
