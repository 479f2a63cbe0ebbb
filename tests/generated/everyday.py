"""A day with a service, the way its README tells it."""

import json
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from .documented import commands
from .machine import Running, make_run, postgres_of, run
from .rendering import Service


@dataclass(frozen=True)
class Home:
    """A service that somebody lives in: set up, and free to be changed."""

    service: Service
    env: dict[str, str]
    setup: str

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.service.folder

    def make(self, *args: str, **variables: str) -> str:
        """Call a target of its Makefile, which has to succeed."""
        return run("make", *args, cwd=self.folder, env=self.env | variables)


class Everyday:
    """The tests of a day; who inherits them says in whose home they happen."""

    def test_it_is_set_up_by_one_command_and_its_suite_passes(self, home: Home) -> None:
        assert re.search(r"= \d+ passed in ", home.setup)
        assert not re.search(r"warning|skipped|Traceback", home.setup)

    def test_git_sees_nothing_new_but_what_is_made_from_the_code(self, home: Home) -> None:
        changed = run("git", "status", "--porcelain", cwd=home.folder, env=home.env)
        documents = " M ARCHITECTURE.md\n M RUNBOOK.md\n"
        assert changed == f"{documents}?? openapi/\n?? uv.lock\n"

    def test_the_contract_is_what_the_application_serves(self, home: Home) -> None:
        """To the byte: a second one, made from nothing, is the same."""
        frozen = home.folder / "openapi" / "v1.json"
        made = frozen.read_bytes()
        frozen.unlink()
        home.make("contract", "accept=1")
        assert frozen.read_bytes() == made
        paths = json.loads(made)["paths"]
        assert first_example(home.service)[0] in paths
        assert home.make("contract") == ""

    def test_every_check_is_content(self, home: Home) -> None:
        checked = home.make("check")
        for said in ("no issues found", " 0 broken", "No dependency issues", " passed in "):
            assert said in checked

    def test_it_serves_until_it_is_interrupted(self, home: Home) -> None:
        name = home.service.answers["service_name"]
        url, payload = first_example(home.service)
        with make_run(home.folder, home.env) as running:
            assert f"{name} serves {running.address}/docs" in running.output
            status, page, _ = running.call("/docs")
            assert status == 200
            assert "swagger" in page.lower()
            about = json.loads(running.call("/openapi.json")[1])["info"]
            assert about["title"] == name
            assert about["description"] == home.service.answers["description"]

            status, created, headers = running.call(url, payload)
            assert status == 201
            assert running.call(headers["location"])[1] == created
            listed = running.call(f"{url}?limit=10")[1]
            assert json.loads(listed)["items"] == [json.loads(created)]
            assert UUID(json.loads(created)["public_id"])
            assert integer_ids(json.loads(listed)) == []
            follow_the_client_guide(home.service, running)

            running.is_the_last_to_use(postgres_of(home.folder))
            assert not re.search(r"Traceback|ERROR|WARNING", running.output), running.output


def first_example(service: Service) -> tuple[str, Any]:
    """The path and the payload of the first `curl` in the README."""
    readme = service.texts("README.md")["README.md"].replace("\\\n", " ")
    (command, *_) = re.findall(r"^curl -X POST .+$", readme, re.MULTILINE)
    words = shlex.split(command)
    (address,) = [word for word in words if word.startswith("http")]
    return address.removeprefix("http://127.0.0.1:8000"), json.loads(words[words.index("-d") + 1])


def follow_the_client_guide(service: Service, running: Running) -> None:
    """Type every `curl` of the README, as it stands there but for the address and the `ID`."""
    curls = [line for line in commands(service.texts("README.md")["README.md"]) if "curl" in line]
    (key,) = re.findall(r"^KEY=\S+$", running.output, re.MULTILINE)
    strict = 'curl() { command curl --silent --show-error --fail-with-body "$@"; }'
    typed, answers = [strict, key], []
    for command in curls:
        here = command.replace("http://127.0.0.1:8000", running.address)
        done = subprocess.run(
            ["sh", "-euc", "\n".join([*typed, here])], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{here}: {done.stdout}{done.stderr}"
        answers.append(done.stdout)
        if len(answers) == 1:
            typed.append(f"ID={json.loads(done.stdout)['public_id']}")
    made, listed, read, changed, deleted, restored = answers
    assert made in listed
    assert read.endswith(made)
    assert json.loads(changed) == json.loads(restored) | {
        "updated_at": json.loads(changed)["updated_at"]
    }
    assert deleted == ""


def integer_ids(value: object) -> list[object]:
    """Every integer, wherever it stands, that could be a row's own number."""
    if isinstance(value, dict):
        named = [item for key, item in value.items() if key.endswith("id") and type(item) is int]
        return named + [found for item in value.values() for found in integer_ids(item)]
    return (
        [found for item in value for found in integer_ids(item)] if isinstance(value, list) else []
    )
