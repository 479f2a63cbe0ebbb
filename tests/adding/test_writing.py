"""Files that appear together or not at all, whatever happens meanwhile."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from roadbed.adding.writing import JOURNAL, Change, alone, apply, diff, require_whole
from roadbed.errors import RoadbedError

CHANGES = [
    Change("modules/a/__init__.py", None, "a\n"),
    Change("modules/a/models.py", None, "models\n"),
    Change("settings.py", "old\n", "new\n"),
    Change("tests/a/test_a.py", None, "é\n"),
]
# Dies, as by kill -9, at the nth file that is put in its place.
DYING = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from roadbed.adding import writing
from test_writing import CHANGES
put, count = writing._put, 0
def dying(file, change):
    global count
    if count == {number}:
        os.kill(os.getpid(), signal.SIGKILL)
    count += 1
    put(file, change)
    if count == {number} == len(CHANGES):
        os.kill(os.getpid(), signal.SIGKILL)
writing._put = dying
with writing.alone(Path("git")) as journal:
    writing.apply(Path("service"), journal, CHANGES)
"""


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A service with a `settings.py`, and beside it its git directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("service", "git"):
        (tmp_path / name).mkdir()
    (tmp_path / "service/settings.py").write_text("old\n")
    return tmp_path / "service"


def files(service: Path) -> dict[str, str]:
    found = {p.relative_to(service).as_posix(): p for p in service.rglob("*")}
    return {path: file.read_text() if file.is_file() else "/" for path, file in found.items()}


BEFORE = {"settings.py": "old\n"}


def write(service: Path, *changes: Change) -> None:
    with alone(service.parent / "git") as journal:
        apply(service, journal, list(changes) or CHANGES)


def is_whole(service: Path) -> bool:
    texts = {path: text for path, text in files(service).items() if text != "/"}
    return texts == {each.path: each.after for each in CHANGES}


def test_all_of_them_appear(service: Path) -> None:
    write(service)
    assert is_whole(service)
    assert not (service.parent / "git" / JOURNAL).exists()


def test_nothing_is_overwritten(service: Path) -> None:
    taken = service / "tests/a/test_a.py"
    taken.parent.mkdir(parents=True)
    taken.write_text("mine\n")
    before = files(service)
    with pytest.raises(RoadbedError, match=r"test_a\.py is there already"):
        write(service)
    assert files(service) == before


def test_what_has_changed_meanwhile_is_not_overwritten(service: Path) -> None:
    (service / "settings.py").write_text("newer\n")
    with pytest.raises(RoadbedError, match="changed in the meantime"):
        write(service)
    assert files(service) == {"settings.py": "newer\n"}


def test_a_link_leads_nobody_out_of_the_service(service: Path) -> None:
    outside = service.parent / "outside"
    outside.mkdir()
    (service / "modules").symlink_to(outside)
    with pytest.raises(RoadbedError, match="a folder of it is a link"):
        write(service)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_what_fails_half_way_leaves_nothing(
    service: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, and Ctrl-C, at each of the files."""
    from roadbed.adding import writing

    put = writing._put  # noqa: SLF001
    for failure in (OSError(28, "No space left on device"), KeyboardInterrupt()):
        done: list[Path] = []

        def failing(
            file: Path,
            change: Change,
            failure: BaseException = failure,
            done: list[Path] = done,
        ) -> None:
            if len(done) == number:
                raise failure
            done.append(file)
            put(file, change)

        monkeypatch.setattr(writing, "_put", failing)
        with pytest.raises((RoadbedError, KeyboardInterrupt)):
            write(service)
        assert files(service) == BEFORE
    monkeypatch.undo()
    write(service)
    assert is_whole(service)


@pytest.mark.parametrize("number", [0, 2, len(CHANGES)])
def test_after_a_kill_the_next_one_finds_nothing_or_all(service: Path, number: int) -> None:
    script = DYING.format(tests=str(Path(__file__).parent), number=number)
    done = subprocess.run([sys.executable, "-c", script], cwd=service.parent, check=False)
    assert done.returncode == -signal.SIGKILL
    if number:
        with pytest.raises(RoadbedError, match="killed half-way"):
            require_whole(service.parent / "git")
    write(service, Change("other.py", None, ""))
    require_whole(service.parent / "git")
    (service / "other.py").unlink()
    if number < len(CHANGES):
        assert files(service) == BEFORE
        write(service)
    assert is_whole(service)


def test_what_the_user_did_after_a_kill_stays(service: Path) -> None:
    script = DYING.format(tests=str(Path(__file__).parent), number=2)
    subprocess.run([sys.executable, "-c", script], cwd=service.parent, check=False)
    (service / "modules/a/models.py").write_text("mine\n")
    write(service, Change("other.py", None, ""))
    assert files(service) == BEFORE | {
        "modules": "/",
        "modules/a": "/",
        "modules/a/models.py": "mine\n",
        "other.py": "",
    }


def test_two_at_once_are_told_so(service: Path) -> None:
    import fcntl

    journal = service.parent / "git" / JOURNAL
    with journal.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(RoadbedError, match="at work here"):
            write(service)
    assert files(service) == BEFORE


def test_a_file_where_a_folder_should_be_is_named(service: Path) -> None:
    (service / "tests").write_text("mine\n")
    with pytest.raises(RoadbedError, match=r"tests.* could not be written"):
        write(service)
    assert files(service) == BEFORE | {"tests": "mine\n"}


def test_the_diff_is_a_patch(service: Path) -> None:
    patch = diff(CHANGES)
    assert "--- /dev/null\n+++ b/modules/a/__init__.py\n@@ -0,0 +1 @@\n+a\n" in patch
    assert "--- a/settings.py\n+++ b/settings.py\n@@ -1 +1 @@\n-old\n+new\n" in patch
    applied = subprocess.run(
        ["git", "apply", "-"], cwd=service, input=patch, text=True, check=False, capture_output=True
    )
    assert applied.returncode == 0, applied.stderr
    assert is_whole(service)
