"""A service with an outbox: nothing is lost, whoever is killed, and nothing is told too early.

What lies in `outbox/` runs inside the service, with the service's own tools.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from .machine import run
from .rendering import Service

CASES = Path(__file__).with_name("outbox")
PROVIDER = CASES.with_name("outgoing") / "provider.py"
# Here pytest must not take them for this repository's.
NAMES = {
    "fixtures.py": "conftest.py",
    "messages.py": "test_messages.py",
    "deliveries.py": "test_deliveries.py",
}


@pytest.fixture
def telling(rendered: Callable[..., Service], env: Mapping[str, str]) -> Iterator[Path]:
    """An installed service that has an outbox."""
    # Not in the folder of temporary folders, which is closed to the user that PostgreSQL runs as.
    with TemporaryDirectory(prefix="services-") as home:
        folder = Path(home) / "orders"
        shutil.copytree(rendered(outbox=True).folder, folder)
        run("uv", "lock", "--quiet", cwd=folder, env=env)
        run("uv", "sync", "--frozen", "--quiet", cwd=folder, env=env)
        yield folder


def test_its_own_checks_and_tests_pass(telling: Path, env: Mapping[str, str]) -> None:
    run("make", "--silent", "setup", "check", cwd=telling, env=env)


def test_no_message_is_lost(telling: Path, env: Mapping[str, str]) -> None:
    cases = telling / "tests" / "outbox"
    cases.mkdir()
    (cases / "__init__.py").touch()
    for file in [*CASES.glob("*.py"), PROVIDER]:
        shutil.copy(file, cases / NAMES.get(file.name, file.name))
    shutil.copytree(CASES / "notices", telling / "src" / "orders" / "modules" / "notices")
    run(".venv/bin/python", "-m", "pytest", "--quiet", "tests/outbox", cwd=telling, env=env)
