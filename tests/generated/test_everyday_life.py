"""A day with a service, the way its README tells it: the default one, and the most different."""

import json
import os
import re
import shlex
from typing import Any
from uuid import UUID

import pytest

from .conftest import Home
from .machine import make_run, postgres_of, run
from .rendering import Service

HOMES = [
    pytest.param(name, id=name.removesuffix("_home"), marks=pytest.mark.xdist_group(name))
    for name in ("default_home", "different_home")
]


@pytest.fixture(scope="module", params=HOMES)
def home(request: pytest.FixtureRequest) -> Home:
    found: Home = request.getfixturevalue(request.param)
    return found


def test_the_suite_passes(home: Home) -> None:
    """`make setup` and, on the machine without uv, `make test` alone: both install what they need."""
    assert re.search(r"= \d+ passed in ", home.setup)
    assert not re.search(r"warning|skipped|Traceback", home.setup)
    assert (home.folder / "uv.lock").exists()


def test_uv_comes_into_the_service_where_the_machine_has_none(home: Home) -> None:
    uv = str(home.folder / ".venv" / "bin" / "uv")
    assert os.access(uv, os.X_OK)
    assert " passed in " in home.make("setup")


def test_every_check_is_content(home: Home) -> None:
    checked = home.make("check")
    for said in ("no issues found", " 0 broken", "No dependency issues", "No new upgrade"):
        assert said in checked


def test_nothing_that_is_made_is_left_for_git_but_the_lock(home: Home) -> None:
    home.make("install")
    status = re.findall(r"^(\?\?| M) (.+)$", git_status(home), re.MULTILINE)
    assert status == [("??", "uv.lock")]


def test_it_serves_until_it_is_interrupted(home: Home) -> None:
    name = home.service.answers["service_name"]
    url, payload = first_example(home.service)
    with make_run(home.folder, home.env) as running:
        assert f"{name} serves {running.address}/docs" in running.output
        status, page, _ = running.call("/docs")
        assert status == 200
        assert "swagger" in page.lower()
        title = json.loads(running.call("/openapi.json")[1])["info"]
        assert title["title"] == name
        assert title["description"] == home.service.answers["description"]

        status, created, headers = running.call(url, payload)
        assert status == 201
        assert running.call(headers["location"])[1] == created
        listed = running.call(f"{url}?limit=10")[1]
        assert json.loads(listed)["items"] == [json.loads(created)]
        assert UUID(json.loads(created)["public_id"])
        assert integer_ids(json.loads(listed)) == []

        running.is_the_last_to_use(postgres_of(home.folder))
        assert not re.search(r"Traceback|ERROR|WARNING", running.output), running.output


def git_status(home: Home) -> str:
    return run("git", "status", "--porcelain", cwd=home.folder, env=home.env)


def first_example(service: Service) -> tuple[str, Any]:
    """The path and the payload of the first `curl` in the README."""
    readme = service.texts("README.md")["README.md"].replace("\\\n", " ")
    (command, *_) = re.findall(r"^curl -X POST .+$", readme, re.MULTILINE)
    words = shlex.split(command)
    (address,) = [word for word in words if word.startswith("http")]
    return address.removeprefix("http://127.0.0.1:8000"), json.loads(words[words.index("-d") + 1])


def integer_ids(value: object) -> list[object]:
    """Every integer, wherever it stands, that could be a row's own number."""
    if isinstance(value, dict):
        named = [item for key, item in value.items() if key.endswith("id") and type(item) is int]
        return named + [found for item in value.values() for found in integer_ids(item)]
    return (
        [found for item in value for found in integer_ids(item)] if isinstance(value, list) else []
    )
