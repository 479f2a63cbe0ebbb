"""The acceptance cases of the database patterns, on a service of the default answers.

Two modules lie beside its own that are harder on it. One process runs the cases of all files.
"""

import subprocess
from collections.abc import Callable, Mapping
from xml.etree import ElementTree as ET

import pytest

from .cases import HERE, TEST, lay_over
from .rendering import Service

FILES = sorted((HERE / "acceptance").glob("*.py"))
TESTS = [file.stem for file in FILES if TEST.search(file.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def accepted(installed: Callable[..., Service]) -> Service:
    """An installed service with the cases in it."""
    service = installed()
    lay_over(service, "acceptance", "idempotency/proxy.py")
    return service


@pytest.fixture(scope="module")
def failures(
    request: pytest.FixtureRequest, accepted: Service, env: Mapping[str, str]
) -> dict[str, list[str]]:
    """What failed, by file. One process runs the files that were asked for, on one server."""
    items = {item.name for item in request.session.items if item.path == request.path}
    asked = [name for name in TESTS if f"{test_a_service_stands.__name__}[{name}]" in items]
    report = accepted.folder / "report.xml"
    inner = subprocess.run(
        [".venv/bin/python", "-m", "pytest", "-q", "--tb=short", f"--junitxml={report}",
         *(f"tests/acceptance/test_{name}.py" for name in asked)],
        cwd=accepted.folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
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
