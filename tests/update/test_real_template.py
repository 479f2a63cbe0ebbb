"""Roadbed's own template: three versions ahead, services that are lived in follow it."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import futures
import pytest
import yaml
from histories import git, made
from pathspec import GitIgnoreSpec
from typer.testing import CliRunner, Result

from roadbed.cli import app
from roadbed.service import found

from .conftest import document

if TYPE_CHECKING:
    from collections.abc import Iterator

OTHER = {"oidc": "true", "deployment": "compose", "ownership": "shared", "module": "category"}


@pytest.fixture(scope="module")
def template(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository as it is, and its next three versions."""
    copy = tmp_path_factory.mktemp("future") / "roadbed"
    shutil.copytree(snapshot, copy)
    git(copy, "tag", "--delete", "v9.9.9")
    futures.future(copy)
    return copy


@pytest.fixture
def outside() -> Iterator[Path]:
    """A folder that PostgreSQL's user can reach, too."""
    with TemporaryDirectory(prefix="services-") as folder:
        yield Path(folder)


def update(service: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["update", str(service), *arguments, "--json"])


def commit(service: Path) -> None:
    git(service, "add", "--all")
    git(service, "commit", "--quiet", "--message", "The team's work")


@pytest.mark.parametrize("answers", [{}, OTHER], ids=["default", "other"])
def test_an_untouched_service_updated_is_a_fresh_one(
    template: Path, tmp_path: Path, answers: dict[str, str]
) -> None:
    """The files of the team apart: those stay as they were made."""
    newest = futures.VERSIONS[-1]
    fresh = found(made(template, tmp_path / "fresh/orders", newest, **answers))
    expected = fresh.repository.listing(fresh.tree)
    for version in futures.VERSIONS[:1] if answers else futures.VERSIONS[:-1]:
        service = made(template, tmp_path / version / "orders", version, **answers)
        before = found(service)
        told = document(update(service, "--no-verify"))
        assert told["outcome"] == "updated"
        assert told["conflicts"] == []
        team = {each["path"] for each in told["left"]}
        assert {each["why"] for each in told["left"]} <= {"team"}
        after = found(service)
        updated, was = after.repository.listing(after.tree), before.repository.listing(before.tree)
        for path in updated.keys() | expected.keys():
            wanted = was if path in team else expected
            assert updated.get(path) == wanted.get(path), path


@pytest.mark.parametrize("number", [1, 2])
def test_teams_that_do_what_teams_do_get_no_conflict(
    template: Path, tmp_path: Path, number: int
) -> None:
    """A sample; `make bench only=fleet` follows twenty, and runs their suites."""
    answers = {"deployment": "none"} if number == 1 else OTHER
    service = made(template, tmp_path / "orders", "1.0.0", **answers)
    done = futures.team(service, Random(number))  # noqa: S311
    futures.patch_kit_elsewhere(service)
    commit(service)
    told = document(update(service, "--no-verify"))
    assert told["outcome"] == "updated", (done, told["conflicts"])
    assert "TEAMS_LIMIT" in (service / "src/orders/kit/request_size.py").read_text()


def test_what_was_added_is_the_teams_and_no_update_touches_it(
    template: Path, tmp_path: Path
) -> None:
    """Another resource and another version, then three versions of the template."""
    service = made(template, tmp_path / "orders", "1.0.0")
    for arguments in (
        ["resource", "customer", "name:str:200"],
        ["resource", "invoice", "customer:ref", "amount:decimal:10,2"],
        ["version", "v2"],
    ):
        done = CliRunner().invoke(app, ["add", *arguments, "--in", str(service)])
        assert done.exit_code == 0, done.output
    added = {
        path.strip(): (service / path.strip()).read_bytes()
        for path in git(service, "ls-files", "--others", "--exclude-standard").splitlines()
    }
    commit(service)
    told = document(update(service, "--no-verify"))
    assert told["outcome"] == "updated", told["conflicts"]
    assert {path: (service / path).read_bytes() for path in added} == added
    assert len(added) > 20
    done = CliRunner().invoke(
        app, ["add", "resource", "refund", "invoice:ref", "--in", str(service)]
    )
    assert done.exit_code == 0, done.output
    assert "from ...kit" in (service / "src/orders/modules/refunds/routes.py").read_text()


def test_the_teams_files_are_what_the_documents_say(template: Path, tmp_path: Path) -> None:
    """ARCHITECTURE.md lists what `copier.yml` gives to the team."""
    service = made(template, tmp_path / "orders", "1.0.0")
    futures.add_module(service)
    entries = yaml.safe_load((template / "copier.yml").read_text())
    patterns: list[str] = entries["_skip_if_exists"]
    table = (template / "ARCHITECTURE.md").read_text()
    assert patterns
    for pattern in patterns:
        assert f"`{pattern.removesuffix('**').removesuffix('*.py')}`" in table
    files = [
        str(p.relative_to(service))
        for p in service.rglob("*")
        if p.is_file() and ".git" not in p.parts
    ]
    owned = set(GitIgnoreSpec.from_lines(patterns).match_files(files))
    assert {"README.md", "src/orders/settings.py", "migrations/service/0002_refunds.py"} <= owned
    assert not [path for path in owned if "/kit/" in path]


def test_a_service_that_is_lived_in_follows_three_versions(template: Path, outside: Path) -> None:
    """A module, an incident, settings, and a patched kit file, which alone conflicts; at the end
    the service's own suite and formatter are content."""
    service = made(template, outside / "orders", "1.0.0")
    for habit in (
        futures.add_module,
        futures.add_incident,
        futures.extend_settings,
        futures.patch_kit,
        futures.patch_kit_elsewhere,
    ):
        habit(service)
    commit(service)

    patched = "src/orders/kit/pagination.py"
    torn = document(update(service, "--to", "2.0.0", "--no-verify"))
    assert [each["path"] for each in torn["conflicts"]] == [patched]
    text = git(service, "show", f":3:{patched}")
    (service / patched).write_text(text.replace("In version 2: ", "In version 2, patched: ") + "\n")
    git(service, "add", patched)
    assert document(update(service, "--continue", "--no-verify"))["outcome"] == "updated"
    assert document(update(service, "--to", "3.0.0", "--no-verify"))["outcome"] == "updated"
    last = update(service)
    assert last.exit_code == 0, last.output
    states = {step["name"]: step["state"] for step in document(last)["steps"]}
    assert states == {
        **dict.fromkeys(states, "done"),
        **dict.fromkeys(("lock", "contract"), "left out"),
    }
    assert git(service, "status", "--porcelain") == ""

    moved = (service / "src/orders/kit/request_size.py").read_text()
    assert moved.endswith("TEAMS_LIMIT = 1\n")
    assert "The pool ran dry" in (service / "RUNBOOK.md").read_text()
    assert "New in version 2" in (service / "RUNBOOK.md").read_text()
    assert "refund_days" in (service / "src/orders/settings.py").read_text()
    assert (service / "src/orders/modules/refunds/routes.py").exists()
