"""A service's commands: what they see, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from roadbed import commands
from roadbed.commands import CommandFailed
from roadbed.errors import RoadbedError


def seen(tmp_path: Path) -> dict[str, str]:
    commands.run("sh", "-c", "env > seen", at=tmp_path)
    lines = (tmp_path / "seen").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def test_they_do_not_see_what_we_run_under(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = {
        *("VIRTUAL_ENV", "PYTHONPATH", "GIT_DIR", "GIT_INDEX_FILE", "DATABASE_URL"),
        *("MAKEFLAGS", "MAKELEVEL", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER"),
    }
    for name in private:
        monkeypatch.setenv(name, "private")
    monkeypatch.setenv("UV_INDEX_URL", "kept")
    environment = seen(tmp_path)
    assert not private & environment.keys()
    assert environment["UV_INDEX_URL"] == "kept"


def test_they_use_this_python_and_find_uv_last(tmp_path: Path) -> None:
    environment = seen(tmp_path)
    assert environment["UV_PYTHON"] == sys.executable
    assert environment["UV_PYTHON_DOWNLOADS"] == "never"
    assert environment["PATH"] == f"{os.environ['PATH']}:{Path(commands.uv()).parent}"


def test_nothing_is_asked(tmp_path: Path) -> None:
    commands.run("sh", "-c", "cat > answer", at=tmp_path)
    assert (tmp_path / "answer").read_text() == ""


def test_a_failure_shows_the_end_of_the_output(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed) as failed:
        commands.run("sh", "-c", "seq 100; echo red >&2; exit 3", at=tmp_path)
    assert str(failed.value).splitlines()[-2:] == ["100", "red"]
    assert len(str(failed.value).splitlines()) == 40


def test_a_silent_failure_says_its_code(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="sh exited with 3"):
        commands.run("sh", "-c", "exit 3", at=tmp_path)


def test_a_server_that_outlives_the_command_does_not_hold_it(tmp_path: Path) -> None:
    began = time.monotonic()
    commands.run("sh", "-c", "sleep 5 & echo $! > pid", at=tmp_path)
    assert time.monotonic() - began < 4
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_reaches_all_that_the_command_started(tmp_path: Path) -> None:
    script = "trap 'echo bye > bye; exit' INT; sleep 60 & echo $! > pid; wait"
    threading.Thread(target=_interrupt_once_there, args=(tmp_path / "pid",)).start()
    with pytest.raises(KeyboardInterrupt):
        commands.run("bash", "-c", script, at=tmp_path)
    assert (tmp_path / "bye").exists()
    assert _ends(int((tmp_path / "pid").read_text()))


@pytest.mark.usefixtures("interruptible")
def test_a_deaf_command_is_ended_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "PATIENCE", 0.2)
    threading.Thread(target=_interrupt_once_there, args=(tmp_path / "pid",)).start()
    with pytest.raises(KeyboardInterrupt):
        commands.run("sh", "-c", "trap '' INT TERM; echo $$ > pid; sleep 60", at=tmp_path)
    assert _ends(int((tmp_path / "pid").read_text()))


@pytest.mark.usefixtures("interruptible")
def test_a_command_that_is_interrupted_while_it_begins_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []
    popen = subprocess.Popen

    def interrupted(*words: Any, **options: Any) -> subprocess.Popen[bytes]:
        begun.append(popen(*words, **options))
        signal.raise_signal(signal.SIGINT)
        return begun[0]

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    with pytest.raises(KeyboardInterrupt):
        commands.run("sleep", "60", at=tmp_path)
    assert begun[0].poll() == -signal.SIGINT


def _ends(pid: int) -> bool:
    """Whether the process is gone, or a zombie that only its parent can bury, within 5 s."""
    stat = Path(f"/proc/{pid}/stat")
    for _ in range(500):
        try:
            if stat.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


def _interrupt_once_there(file: Path) -> None:
    while not (file.exists() and file.read_text().strip()):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)


def test_no_make_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RoadbedError, match="no make on PATH"):
        commands.require("--no-install")
