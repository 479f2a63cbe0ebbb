"""The acceptance cases of the database patterns, run inside a generated service.

`acceptance/` holds tests that this repository does not collect: they are laid over a service of the
default answers, together with two modules that are harder on it than its own, and its own
interpreter and fixtures run them.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from .machine import run
from .rendering import Service

CASES = Path(__file__).with_name("acceptance")
# Here pytest must not take them for this repository's.
PLACES = {
    "fixtures.py": "tests/acceptance/conftest.py",
    "migration.py": "migrations/service/0002_customers.py",
}
TESTS = sorted(path.stem for path in CASES.glob("*.py") if path.name not in PLACES)

# With `--dist loadgroup` one process runs them all: they share the service.
pytestmark = pytest.mark.xdist_group("acceptance")


@pytest.fixture(scope="module")
def accepted(rendered: Callable[..., Service], env: Mapping[str, str]) -> Iterator[Path]:
    """An installed service with the cases in it.

    Not in pytest's own folder: whenever another pytest of root's starts, it closes that folder to
    everybody else, and so to the user that the embedded server runs as.
    """
    with tempfile.TemporaryDirectory(prefix="accepted-") as scratch:
        folder = Path(scratch, "orders")
        shutil.copytree(rendered().folder, folder)
        (folder / "tests" / "acceptance").mkdir()
        tests = {f"{name}.py": f"tests/acceptance/test_{name}.py" for name in TESTS}
        for file, place in (PLACES | tests).items():
            shutil.copy(CASES / file, folder / place)
        for module in ("customers", "trouble"):
            shutil.copytree(CASES / module, folder / "src" / "orders" / "modules" / module)
        run("uv", "lock", "--quiet", cwd=folder, env=env)
        run("uv", "sync", "--frozen", "--quiet", cwd=folder, env=env)
        yield folder


@pytest.fixture(scope="module")
def failures(
    request: pytest.FixtureRequest, accepted: Path, env: Mapping[str, str]
) -> dict[str, list[str]]:
    """What failed, by file. One process runs the files that were asked for, on one server."""
    items = {item.name for item in request.session.items if item.path == Path(__file__)}
    asked = [name for name in TESTS if f"{test_a_service_stands.__name__}[{name}]" in items]
    report = accepted / "report.xml"
    inner = subprocess.run(
        [".venv/bin/python", "-m", "pytest", "-q", "--tb=short", f"--junitxml={report}",
         *(f"tests/acceptance/test_{name}.py" for name in asked)],
        cwd=accepted, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        check=False,
        timeout=600,
    )  # fmt: skip
    assert inner.returncode in {0, 1}, inner.stdout
    found: dict[str, list[str]] = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 (written just now, by our pytest)
        name = case.attrib["classname"].rpartition("test_")[2]
        found.setdefault(name, []).extend(f"{case.attrib['name']}\n{bad.text}" for bad in case)
    return found


@pytest.mark.parametrize("name", TESTS)
def test_a_service_stands(name: str, failures: dict[str, list[str]]) -> None:
    if failures[name]:
        pytest.fail("\n\n".join(failures[name]), pytrace=False)
