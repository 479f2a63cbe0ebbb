"""The real program, in a process of its own: terminal, signals, start-up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import pytest
import yaml
from histories import build_file_tree, git_save

if TYPE_CHECKING:
    from collections.abc import Callable

ROADBED = [sys.executable, "-m", "roadbed"]
PROGRAM = str(Path(sys.executable).with_name("roadbed"))


pytestmark = pytest.mark.usefixtures("interruptible")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ROADBED, *arguments],
        check=False,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | environment,
    )


def test_questions_are_asked_on_a_terminal(small: Path) -> None:
    arguments = ["new", "orders", "--template", str(small), "--no-install", "-d", "paging=+1"]
    child = pexpect.spawn(PROGRAM, arguments, encoding="utf-8", timeout=20, dimensions=(40, 120))
    child.expect("Which team owns it")
    child.sendline("@acme/web")
    child.expect("deployment")
    child.send("\x1b[B\r")  # arrow down
    child.expect("orders is ready in orders")
    child.expect("make setup")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    answers = yaml.safe_load(Path("orders/.copier-answers.yml").read_text())
    assert answers["service_name"] == "orders"
    assert answers["team"] == "@acme/web"
    assert answers["paging"] == "+1"
    assert answers["deployment"] == "compose"


def test_leaving_at_a_question_writes_nothing(small: Path) -> None:
    child = pexpect.spawn(PROGRAM, ["new", "orders", "--template", str(small)], timeout=20)
    child.expect("Which team owns it")
    child.sendintr()
    child.expect("Stopped; nothing was written")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize(
    ("request_", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_stopped_while_rendering_it_leaves_nothing(
    small: Path, request_: signal.Signals, code: int
) -> None:
    slow = "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}\n"
    build_file_tree(small, {"template/slow/file.jinja": slow})
    git_save(small, tag="v1.1.0")
    child = start("new", "orders", "out/orders", "--template", str(small))
    wait_until(lambda: bool(list(Path.cwd().glob("out/.orders.roadbed-*/orders/slow"))))
    child.send_signal(request_)
    _, words = child.communicate(timeout=20)
    assert child.returncode == code
    assert "Stopped; nothing was written." in words
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("slow", [["test"], ["prepare", "test"]])
def test_stopped_in_a_later_step_it_keeps_the_service_and_says_how_to_go_on(
    small: Path, slow: list[str]
) -> None:
    """The suite has begun beside the other steps; it ends with them."""
    quick = " ".join({"install", "prepare", "test"} - {*slow})
    makefile = f"{quick}:\n\t@true\n{' '.join(slow)}:\n\t@echo $$PPID > $@.pid; sleep 60\n"
    build_file_tree(small, {"template/Makefile": makefile})
    git_save(small, tag="v1.1.0")
    child = start("new", "orders", "--template", str(small))
    pids = [Path(f"orders/{name}.pid") for name in slow]
    wait_until(lambda: all(pid.exists() and pid.read_text() for pid in pids))
    is_committed = slow == ["test"]
    if is_committed:
        wait_until(Path("orders/.git/logs/HEAD").exists)
    child.send_signal(signal.SIGINT)
    _, words = child.communicate(timeout=20)
    assert child.returncode == 130
    assert f"make -C {Path.cwd()}/orders setup" in words
    assert Path("orders/README.md").exists()
    assert Path("orders/.git").is_dir() is is_committed
    makes = [Path("/proc", pid.read_text().strip()) for pid in pids]
    wait_until(lambda: not any(make.exists() for make in makes))


def test_of_two_at_once_one_wins(small: Path) -> None:
    rivals = [start("new", "orders", "--template", str(small), "--no-install") for _ in "ab"]
    words = [rival.communicate(timeout=60)[1] for rival in rivals]
    assert sorted(rival.returncode for rival in rivals) == [0, 2]
    assert any("orders is not empty" in w or "in the meantime" in w for w in words)
    assert [path.name for path in Path.cwd().iterdir()] == ["orders"]


def test_git_is_not_called_for_each_file(small: Path, tmp_path: Path) -> None:
    build_file_tree(small, {f"template/{number}": "x" for number in range(50)})
    git_save(small, tag="v1.1.0")
    done = run(
        *("new", "orders", "--template", str(small), "--no-install", "--no-git"),
        GIT_TRACE=str(tmp_path / "trace"),
    )
    assert done.returncode == 0, done.stderr
    calls = [line for line in (tmp_path / "trace").read_text().splitlines() if ": git " in line]
    assert 3 < len(calls) < 12


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["new", "--help"], ["update", "--help"]]
)
def test_start_up_imports_nothing_heavy(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "roadbed", *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "roadbed.cli" in imported
    heavy = {"copier", "jinja2", "plumbum", "yaml", "rich.progress", "prompt_toolkit", "pydantic"}
    assert not heavy & imported


def test_the_version_names_the_template_too() -> None:
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("roadbed 0.1.0, template ")
    assert "unknown" not in done.stdout


@pytest.mark.parametrize("verb", [[], ["new"], ["update"], ["status"]])
def test_help_fits_a_screen(verb: list[str]) -> None:
    shown = run(*verb, "--help", COLUMNS="80").stdout.splitlines()
    assert shown[0].startswith("Usage: roadbed")
    assert len(shown) <= 40
    assert max(map(len, shown)) <= 80


@pytest.mark.parametrize("verb", ["new", "update", "status"])
def test_help_of_a_verb_has_two_examples(verb: str) -> None:
    examples = run(verb, "--help").stdout.partition("Examples:")[2].strip().splitlines()
    assert [line.split()[:2] for line in examples] == [["roadbed", verb]] * 2


def test_a_terminal_without_unicode_will_do(small: Path) -> None:
    arguments = ["new", "orders", "--template", str(small), "--no-install"]
    done = run(*arguments, "-d", "team=Straße", PYTHONIOENCODING="latin-1")
    assert done.returncode == 0, done.stderr
    assert "? render" in done.stdout
    assert "team: Straße" in Path("orders/.copier-answers.yml").read_text(encoding="utf-8")


def test_no_verb_shows_the_verbs() -> None:
    done = run()
    assert "new" in done.stdout + done.stderr
    assert done.returncode == 2


def test_the_shell_completes(small: Path) -> None:
    asked = {"_ROADBED_COMPLETE": "complete_bash", "COMP_WORDS": "roadbed n", "COMP_CWORD": "1"}
    done = subprocess.run(
        [PROGRAM], check=False, capture_output=True, text=True, env=os.environ | asked
    )
    assert done.stdout.split() == ["new"]


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*ROADBED, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(there: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not there():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)
