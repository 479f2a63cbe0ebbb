"""`roadbed status`: how far behind, and where drifted."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from histories import change, git, git_save, made
from losses import lines
from typer.testing import CliRunner

from roadbed.cli import app

from .conftest import Home, document

if TYPE_CHECKING:
    from pathlib import Path


def test_behind_is_exit_code_1_and_current_0(home: Home) -> None:
    change(home.template, {"template/a.txt": lines(at20="LATER")})
    git_save(home.template, tag="v3.0.0")
    behind = home.roadbed("status")
    assert behind.exit_code == 1
    assert behind.stdout == "orders: template v1.0.0, 2 behind v3.0.0\n"
    home.update()
    current = home.roadbed("status")
    assert current.exit_code == 0
    assert current.stdout == "orders: template v3.0.0, up to date\n"


def test_drift_is_what_was_changed_of_the_templates_files(home: Home) -> None:
    git(home.service, "mv", "b.txt", "moved.txt")
    home.commit(a_txt=lines(at7="MINE"), c_txt=None, added_txt="mine\n")
    result = home.roadbed("status", "--json")
    (service,) = document(result)["services"]
    assert service["drift"] == [
        {"path": "a.txt", "change": "M"},
        {"path": "b.txt", "change": "R"},
        {"path": "c.txt", "change": "D"},
    ]
    assert service["behind"] == ["v2.0.0"]
    assert "3 files differ from it\n" in home.roadbed("status").stdout


def test_the_patch_is_one(home: Home, tmp_path: Path) -> None:
    home.commit(a_txt=lines(at7="MINE"))
    patch = home.roadbed("status", "--diff").stdout
    assert "-line 7\n+MINE\n" in patch
    fresh = made(home.template, tmp_path / "fresh" / "orders")
    subprocess.run(["git", "apply"], cwd=fresh, input=patch, text=True, check=True)
    assert (fresh / "a.txt").read_text() == lines(at7="MINE")


def test_many_are_looked_at_and_one_error_is_exit_code_2(home: Home, tmp_path: Path) -> None:
    second = made(home.template, tmp_path / "billing", None)
    paths = [str(home.service), str(second), str(tmp_path)]
    result = CliRunner().invoke(app, ["status", *paths, "--json"])
    assert result.exit_code == 2
    services = document(result)["services"]
    assert [len(each["behind"]) for each in services] == [1, 0, 0]
    assert [bool(each["error"]) for each in services] == [False, False, True]
    assert "There is no service at" in result.stderr
    assert CliRunner().invoke(app, ["status", *paths[:2]]).exit_code == 1
    assert CliRunner().invoke(app, ["status", paths[1]]).exit_code == 0


def test_one_that_git_cant_read_is_an_error_among_the_others(home: Home, tmp_path: Path) -> None:
    broken = made(home.template, tmp_path / "billing")
    blob = git(broken, "rev-parse", "HEAD:.copier-answers.yml")
    (broken / ".git/objects" / blob[:2] / blob[2:]).unlink()
    result = CliRunner().invoke(app, ["status", str(broken), str(home.service), "--json"])
    assert result.exit_code == 2
    services = document(result)["services"]
    assert [bool(each["error"]) for each in services] == [True, False]


def test_a_template_that_a_service_brings_along_is_not_opened(home: Home) -> None:
    """A repository has a configuration, and that may run programs: not by looking at a clone."""
    git(home.service, "clone", "--quiet", "--bare", str(home.template), "brought.git")
    answers = home.text(".copier-answers.yml")
    brought = answers.replace(str(home.template), str(home.service / "brought.git"))
    assert brought != answers
    home.write(".copier-answers.yml", brought)
    home.commit()
    result = home.roadbed("status")
    assert "is a folder of the service's own repository" in result.output
    assert home.roadbed("status", "--template", home.template).exit_code == 1


def test_it_writes_nothing(home: Home) -> None:
    before = {p: p.is_file() and p.read_bytes() for p in home.service.rglob("*")}
    home.roadbed("status", "--diff")
    assert {p: p.is_file() and p.read_bytes() for p in home.service.rglob("*")} == before


def test_after_an_update_it_renders_nothing(home: Home, tmp_path: Path) -> None:
    """The rendering is kept, so that a fleet is looked at quickly: Copier is not even imported."""
    home.update()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "roadbed", "status", str(home.service)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "up to date" in done.stdout
    assert "copier" not in {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
