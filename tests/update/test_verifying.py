"""A merged tree is tried before it counts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from histories import change, git, git_save, made, released

from .conftest import Home, document

PYPROJECT = '[project]\nname = "orders"\nversion = "{}"\nrequires-python = ">=3.11"\n'
MAKEFILE = "install:\n\t@test -f pyproject.toml\ntest:\n\t@{}\n"


@pytest.fixture
def trying(tmp_path: Path) -> Home:
    """A service with a lock and a suite; version 2 changes what is locked."""
    template = released(
        tmp_path / "template",
        {
            "template/pyproject.toml": PYPROJECT.format(1),
            "template/Makefile": MAKEFILE.format("true"),
            "template/a.txt": "one\n",
        },
        {"template/pyproject.toml": PYPROJECT.format(2), "template/a.txt": "two\n"},
    )
    home = Home(template, made(template, tmp_path / "orders"))
    lock = 'version = 1\nrevision = 3\nrequires-python = ">=3.11"\n\n[[package]]\nname = "orders"\nversion = "1"\nsource = { virtual = "." }\n'
    home.commit(uv_lock=lock)
    return home


def steps(home: Home, *arguments: str) -> dict[str, str]:
    told = document(home.roadbed("update", "--json", *arguments))
    return {step["name"]: step["state"] for step in told["steps"]}


def test_the_lock_is_renewed_and_is_a_part_of_the_commit(trying: Home) -> None:
    assert steps(trying) == {
        **dict.fromkeys(("fetch", "render", "merge", "lock", "install", "test", "apply"), "done"),
        **dict.fromkeys(("format", "contract", "documents"), "left out"),
    }
    assert 'version = "2"' in trying.text("uv.lock")
    assert trying.status() == ""
    assert "M uv.lock" in git(trying.service, "log", "-1", "--format=%B")


def test_a_lock_that_fits_stays_as_it_is(trying: Home) -> None:
    change(trying.template, {"template/pyproject.toml": PYPROJECT.format(1)})
    git_save(trying.template, tag="v3.0.0")
    before = trying.text("uv.lock")
    assert steps(trying)["lock"] == "left out"
    assert trying.text("uv.lock") == before


def test_what_the_new_version_adds_to_the_contract_is_a_part_of_the_commit(trying: Home) -> None:
    contract = 'contract:\n\t@test "$(accept)" && echo more > openapi/v1.json\n'
    change(trying.template, {"template/Makefile": MAKEFILE.format("true") + contract})
    git_save(trying.template, tag="v3.0.0")
    change(trying.service, {"openapi/v1.json": "promised\n"})
    git_save(trying.service)
    assert steps(trying)["contract"] == "done"
    assert trying.text("openapi/v1.json") == "more\n"
    assert "M openapi/v1.json" in git(trying.service, "log", "-1", "--format=%B")
    assert trying.status() == ""


def test_what_the_new_version_takes_away_from_clients_is_red(trying: Home) -> None:
    contract = "contract:\n\t@echo This would break clients; exit 1\n"
    change(trying.template, {"template/Makefile": MAKEFILE.format("true") + contract})
    git_save(trying.template, tag="v3.0.0")
    change(trying.service, {"openapi/v1.json": "promised\n"})
    git_save(trying.service)
    result = trying.roadbed("update")
    assert result.exit_code == 1
    assert "The step “contract” failed:\nThis would break clients" in result.stderr
    assert trying.text("a.txt") == "one\n"


def test_without_trying_a_lock_that_may_not_fit_is_mentioned(trying: Home) -> None:
    result = trying.update()
    assert result.exit_code == 0
    assert "run uv lock, and commit it" in result.stderr


def test_documents_are_written_anew_and_are_a_part_of_the_commit(trying: Home) -> None:
    """From the service's code, whatever the template and the team have between the marks."""
    makefile = MAKEFILE.format("true")
    write = "documents:\n\t@sed -i s/old/new/ RUNBOOK.md\n"
    (trying.service / "RUNBOOK.md").write_text("old\n")
    git(trying.service, "add", "RUNBOOK.md")
    git(trying.service, "commit", "--quiet", "-m", "A runbook")
    change(trying.template, {"template/Makefile": makefile + write})
    git_save(trying.template, tag="v3.0.0")
    assert steps(trying)["documents"] == "done"
    assert trying.text("RUNBOOK.md") == "new\n"
    assert trying.status() == ""
    assert "RUNBOOK.md" in git(trying.service, "show", "--stat", "HEAD")


def test_red_is_not_applied_and_shows_why(trying: Home) -> None:
    makefile = MAKEFILE.format("echo 1 failed, 2 passed; exit 1")
    change(trying.template, {"template/Makefile": makefile})
    git_save(trying.template, tag="v3.0.0")
    trying.write("mine.txt", "untracked\n")
    before = trying.everything()
    result = trying.roadbed("update")
    assert result.exit_code == 1
    assert "The step “test” failed:\n1 failed, 2 passed" in result.stderr
    assert "Nothing was applied. The branch roadbed-update-v3.0.0 holds" in result.stdout
    place = str(trying.service)
    assert f"git -C {place} diff HEAD roadbed-update-v3.0.0" in result.stderr
    assert result.stderr.endswith(f"\n  roadbed update --no-verify {place}\n")
    after = trying.everything()
    assert {**after, "for-each-ref": ""} == {**before, "for-each-ref": ""}
    assert git(trying.service, "show", "roadbed-update-v3.0.0:a.txt") == "two"
    options = ("-d", "team=@acme/x y", "--to", "v3.0.0")
    again = document(trying.roadbed("update", *options, "--json"))
    wanted = f"roadbed update --no-verify {place} -d 'team=@acme/x y' --to v3.0.0"
    assert again["next"][-1] == wanted
    assert (again["outcome"], again["branch"]) == ("red", "roadbed-update-v3.0.0-2")


def test_what_is_tried_is_what_is_committed_and_nothing_else(trying: Home) -> None:
    """Neither a file that git ignores nor an uncommitted change helps or hurts."""
    seen = 'test ! -e local.env && test ! -e untracked && test "$$(cat mine.txt)" = committed'
    change(trying.template, {"template/Makefile": MAKEFILE.format(seen)})
    git_save(trying.template, tag="v3.0.0")
    trying.commit(_gitignore="local.env\n", mine_txt="committed")
    trying.write("mine.txt", "changed")
    trying.write("local.env", "secret")
    trying.write("untracked", "")
    assert steps(trying)["test"] == "done"


def test_what_was_resolved_is_tried_too(trying: Home) -> None:
    change(trying.template, {"template/Makefile": MAKEFILE.format("grep -q right a.txt")})
    git_save(trying.template, tag="v3.0.0")
    trying.commit(a_txt="mine\n")
    assert trying.roadbed("update").exit_code == 1
    trying.write("a.txt", "wrong\n")
    git(trying.service, "add", "a.txt")
    red = trying.roadbed("update", "--continue")
    assert red.exit_code == 1
    assert "The step “test” failed" in red.stderr
    assert (trying.service / ".git/CHERRY_PICK_HEAD").exists()
    trying.write("a.txt", "right\n")
    git(trying.service, "add", "a.txt")
    assert trying.roadbed("update", "--continue").exit_code == 0
    assert 'version = "2"' in trying.text("uv.lock")
    assert trying.status() == "?? roadbed" or trying.status() == ""


def test_a_service_without_a_makefile_is_not_tried(home: Home) -> None:
    assert steps(home)["test"] == "left out"


def test_a_formatter_that_finds_something_is_red(trying: Home) -> None:
    """As the service's own environment has it."""
    ruff = Path(sys.executable).with_name("ruff")
    install = f"install:\n\t@mkdir -p .venv/bin && ln -sf {ruff} .venv/bin/ruff\ntest:\n\t@true\n"
    change(trying.template, {"template/Makefile": install, "template/a.py": "x  =  1\n"})
    git_save(trying.template, tag="v3.0.0")
    result = trying.roadbed("update")
    assert result.exit_code == 1
    assert "The step “format” failed" in result.stderr
    assert "a.py" in result.stderr


def test_stopped_while_it_is_tried_nothing_is_changed(trying: Home, tmp_path: Path) -> None:
    slow = MAKEFILE.format(f"touch {tmp_path}/begun; sleep 60")
    change(trying.template, {"template/Makefile": slow})
    git_save(trying.template, tag="v3.0.0")
    before = trying.everything()
    child = subprocess.Popen(
        [sys.executable, "-m", "roadbed", "update", str(trying.service)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 60
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    os.kill(child.pid, 15)
    _, words = child.communicate(timeout=30)
    assert child.returncode == 143
    assert "Stopped; nothing was written." in words
    assert trying.everything() == before
