"""`roadbed incident` in a process of its own: a terminal, an editor, signals, start-up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest
from runbooks import ARTICLE, EMPTY, entry

from roadbed.incidents.entry import FIELDS
from roadbed.incidents.notation import render
from roadbed.incidents.runbook import END

PROGRAM = str(Path(sys.executable).with_name("roadbed"))
RUNBOOK = Path("RUNBOOK.md")

pytestmark = pytest.mark.usefixtures("interruptible")


@pytest.fixture(autouse=True)
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A service without an incident, and a folder for drafts."""
    RUNBOOK.write_text(EMPTY)
    drafts = tmp_path / "drafts"
    drafts.mkdir()
    monkeypatch.setenv("TMPDIR", str(drafts))
    return drafts


def terminal(*arguments: str, **environment: str) -> pexpect.spawn[str]:
    variables: Any = os.environ | environment
    return pexpect.spawn(
        *(PROGRAM, ["incident", *arguments]),
        encoding="utf-8",
        timeout=20,
        env=variables,
        dimensions=(24, 80),
    )


def test_on_a_terminal_it_asks_for_what_is_missing(orders: Path) -> None:
    child = terminal("add", "--title", ARTICLE["title"])
    child.expect("Date .*: ")
    child.sendline(ARTICLE["date"])
    for name, label in FIELDS.items():
        child.expect(f"{label}: ")
        if name == "why":
            child.sendline(" ")
            child.expect(f"{label}: ")
        child.sendline(ARTICLE[name])
    child.expect("RUNBOOK.md:9")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert RUNBOOK.read_text() == EMPTY.replace(END, f"{render(entry())}\n{END}")
    assert list(orders.iterdir()) == []


def test_leaving_at_a_question_keeps_the_answers(orders: Path) -> None:
    child = terminal("add", "--title", "Search timeouts", "--date", "2025-06-15")
    child.expect("What happened: ")
    child.sendline("p99 rose to 8s")
    child.expect("Why: ")
    child.sendintr()
    child.expect("What you wrote is kept in (.*).md:")
    child.expect("Stopped; nothing was written")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    (draft,) = orders.iterdir()
    assert "**What happened:** p99 rose to 8s\n" in draft.read_text()
    assert RUNBOOK.read_text() == EMPTY


def test_a_hit_is_marked_on_a_terminal_and_nowhere_else() -> None:
    RUNBOOK.write_text(EMPTY.replace(END, f"{render(entry(what='a ' * 60 + 'p99 slow'))}\n{END}"))
    shown = {}
    for name, environment in {
        "plain": {},
        "no": {"NO_COLOR": "1"},
        "dumb": {"TERM": "dumb"},
    }.items():
        child = terminal("search", "search", "slow", **environment)
        child.expect(pexpect.EOF)
        shown[name] = child.before or ""
        child.close()
        assert child.exitstatus == 0
    assert "\x1b[31m\x1b[1mslow\x1b[0m" in shown["plain"]
    assert "\x1b" not in shown["no"] + shown["dumb"]
    lines = shown["no"].splitlines()
    assert lines[1].startswith("    …")
    assert max(map(len, lines)) <= 80


def test_stopped_while_it_waits_for_others_it_changes_nothing() -> None:
    holder = "import fcntl, os, time; fcntl.flock(os.open('.', 0), 2); print('held', flush=True); time.sleep(60)"
    held = subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE, text=True)
    assert held.stdout is not None
    assert held.stdout.readline() == "held\n"
    given = [argument for name, text in ARTICLE.items() for argument in (f"--{name}", text)]
    child = terminal("add", *given)
    with pytest.raises(pexpect.TIMEOUT):
        child.expect(pexpect.EOF, timeout=1.5)
    child.kill(signal.SIGTERM)
    child.expect("Stopped; nothing was written")
    child.expect(pexpect.EOF)
    child.close()
    held.kill()
    held.wait()
    held.stdout.close()
    assert child.exitstatus == 143
    assert RUNBOOK.read_text() == EMPTY


def imported(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "roadbed", "incident", *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def test_a_search_imports_what_it_needs_and_no_more() -> None:
    RUNBOOK.write_text(EMPTY.replace(END, f"{render(entry())}\n{END}"))
    modules = imported("search", "search", "slow")
    assert "roadbed.incidents.search.query" in modules
    heavy = {"copier", "jinja2", "plumbum", "yaml", "rich", "markdown_it", "pydantic", "tomllib"}
    heavy |= {"roadbed.creation", "roadbed.template", "roadbed.incidents.lint"}
    heavy |= {"roadbed.cli.incident.add", "roadbed.incidents.conflicts"}
    assert not heavy & modules


@pytest.mark.parametrize("verb", ["", "add", "search", "list", "show", "lint", "resolve"])
def test_help_fits_a_screen_and_has_two_examples(verb: str) -> None:
    command = [PROGRAM, "incident", *filter(None, [verb]), "--help"]
    shown = subprocess.check_output(command, text=True, env=os.environ | {"COLUMNS": "80"})
    lines = shown.splitlines()
    assert lines[0].startswith(f"Usage: roadbed incident {verb}".rstrip())
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80
    if verb:
        examples = shown.partition("Examples:")[2].strip().splitlines()
        assert [line.split()[:3] for line in examples] == [["roadbed", "incident", verb]] * 2


def test_a_misspelt_verb_is_told_the_right_one() -> None:
    for words, meant in {("incident", "serach"): "search", ("nwe",): "new"}.items():
        done = subprocess.run([PROGRAM, *words], check=False, capture_output=True, text=True)
        assert done.returncode == 2
        assert f"Did you mean '{meant}'?" in done.stderr


def test_the_shell_completes_verbs() -> None:
    asked = {
        "_ROADBED_COMPLETE": "complete_bash",
        "COMP_WORDS": "roadbed incident s",
        "COMP_CWORD": "2",
    }
    done = subprocess.run(
        [PROGRAM], check=False, capture_output=True, text=True, env=os.environ | asked
    )
    assert done.stdout.split() == ["search", "show"]


def test_a_reader_that_leaves_early_is_no_error() -> None:
    entries = "\n".join(render(entry(date=f"{year}-01-01")) for year in range(2025, 1025, -1))
    RUNBOOK.write_text(EMPTY.replace(END, f"{entries}\n{END}"))
    piped = f"{PROGRAM} incident list | head -n 1"
    done = subprocess.run(["sh", "-c", piped], check=False, capture_output=True, text=True)
    assert done.stdout.startswith("RUNBOOK.md:9  2025-01-01")
    assert "Traceback" not in done.stderr


def test_what_was_added_is_found_at_once() -> None:
    given = [argument for name, text in ARTICLE.items() for argument in (f"--{name}", text)]
    subprocess.run([PROGRAM, "incident", "add", *given], check=True, capture_output=True)
    found = subprocess.check_output([PROGRAM, "incident", "search", "search", "slow"], text=True)
    assert found.startswith("RUNBOOK.md:9  2025-06-15  ")
