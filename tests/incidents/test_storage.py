"""A file that changes whole or not at all, one writer at a time."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from runbooks import EMPTY, entry

from roadbed.errors import RoadbedError
from roadbed.incidents.adding import add
from roadbed.incidents.runbook import Runbook
from roadbed.incidents.storage import edit, read, require_writable

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def runbook(tmp_path: Path) -> Path:
    path = tmp_path / "orders/RUNBOOK.md"
    path.parent.mkdir()
    path.write_bytes(EMPTY.encode())
    return path


def program(text: str, *arguments: str | Path) -> list[str]:
    return [sys.executable, "-c", dedent(text), *map(str, arguments)]


@pytest.mark.parametrize(
    "content",
    [
        EMPTY.replace("\n", "\r\n"),
        "\ufeff" + EMPTY,
        "\ufeff" + EMPTY.replace("\n", "\r\n").rstrip(),
        EMPTY.replace("Page", "\tPage\u2028\x0c\x85").rstrip("\n"),
        EMPTY + "\n\n",
    ],
)
def test_every_other_byte_stays(runbook: Path, content: str) -> None:
    runbook.write_bytes(content.encode())
    add(runbook, entry())
    after = runbook.read_bytes()
    at = after.index(b"### Incident")
    assert content.encode().startswith(after[:at])
    assert content.encode().endswith(after[after.index(b"<!-- incidents:end -->") :])
    assert len(Runbook(after.decode()).incidents) == 1


def test_the_same_again_does_not_touch_the_file(runbook: Path) -> None:
    first = add(runbook, entry())
    identity = (runbook.stat().st_ino, runbook.stat().st_mtime_ns)
    again = add(runbook, entry(id="another-name"))
    assert (again.id, again.line, again.before) == (first.id, first.line, again.after)
    assert (runbook.stat().st_ino, runbook.stat().st_mtime_ns) == identity


def test_a_link_stays_a_link_and_the_mode_a_mode(runbook: Path, tmp_path: Path) -> None:
    runbook.chmod(0o640)
    link = tmp_path / "link.md"
    link.symlink_to("orders/RUNBOOK.md")
    add(link, entry())
    assert link.is_symlink()
    assert runbook.stat().st_mode & 0o7777 == 0o640
    assert len(Runbook(runbook.read_text()).incidents) == 1
    assert [path.name for path in runbook.parent.iterdir()] == ["RUNBOOK.md"]


def test_a_dry_run_writes_nothing(runbook: Path) -> None:
    made = add(runbook, entry(), dry_run=True)
    assert made.before == EMPTY == runbook.read_text()
    assert "Search timeouts" in made.after


def test_twenty_writers_at_once_add_twenty_entries(runbook: Path) -> None:
    writers = """\
        import os, sys
        from pathlib import Path
        from roadbed.incidents.adding import add
        from roadbed.incidents.entry import Entry
        import markdown_it
        ready, go = os.pipe()
        children = []
        for number in range(20):
            child = os.fork()
            if not child:
                os.close(go)
                os.read(ready, 1)  # until the parent closes its end
                title = f"Number {number}"
                add(Path(sys.argv[1]), Entry(f"2025-06-{1 + number % 7:02}", title, *"abcde"))
                os._exit(0)
            children.append(child)
        os.close(go)
        sys.exit(any(os.waitpid(child, 0)[1] for child in children))
        """
    subprocess.run(program(writers, runbook), check=True, timeout=60)
    incidents = Runbook(runbook.read_text()).incidents
    assert {it.entry.title for it in incidents} == {f"Number {number}" for number in range(20)}
    days = [it.entry.date for it in incidents]
    assert days == sorted(days, reverse=True)


def test_kill_9_in_the_middle_leaves_the_old_or_the_new_file(runbook: Path) -> None:
    text = EMPTY.replace("Page the owner.", "Page the owner. " * 50_000)
    runbook.write_text(text)
    writer = """\
        import itertools, sys
        from pathlib import Path
        from roadbed.incidents.storage import edit
        for number in itertools.count():
            edit(Path(sys.argv[1]), lambda text: text + f"{number}\\n")
        """
    beside = runbook.with_name(".RUNBOOK.md.roadbed")
    interrupted = 0
    for _ in range(20):
        child = subprocess.Popen(program(writer, runbook))
        size = runbook.stat().st_size
        end = time.monotonic() + 20
        while runbook.stat().st_size == size or not beside.exists():
            assert time.monotonic() < end, "it does not write"
        child.send_signal(signal.SIGKILL)
        child.wait()
        written = runbook.read_text()
        assert written.startswith(text)
        assert all(line.isdigit() for line in written.removeprefix(text).splitlines())
        interrupted += beside.exists()
        if interrupted:
            break
    assert interrupted, "it was never killed while it wrote"
    runbook.write_text(text)
    add(runbook, entry())
    assert [path.name for path in runbook.parent.iterdir()] == ["RUNBOOK.md"]


def test_a_disk_that_takes_no_more_is_a_sentence(runbook: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(RoadbedError, match=r"RUNBOOK\.md could not be written: File too large"):
            add(runbook, entry())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert runbook.read_text() == EMPTY
    assert [path.name for path in runbook.parent.iterdir()] == ["RUNBOOK.md"]


def test_an_interrupt_while_writing_leaves_nothing(
    runbook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        add(runbook, entry())
    assert runbook.read_text() == EMPTY
    assert [path.name for path in runbook.parent.iterdir()] == ["RUNBOOK.md"]


@pytest.mark.parametrize("closed", ["orders", "orders/RUNBOOK.md"])
def test_what_nobody_may_write_is_a_sentence(runbook: Path, tmp_path: Path, closed: str) -> None:
    """As root too: without the capability to override permissions."""
    place = tmp_path / closed
    place.chmod(0o555 if place.is_dir() else 0o444)
    writer = """\
        import ctypes, os, sys
        if "again" not in sys.argv:
            for capability in (1, 2):  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
                ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:], "again"])
        from pathlib import Path
        from roadbed.incidents.storage import edit
        edit(Path(sys.argv[1]), lambda text: text + "x")
        """
    done = subprocess.run(program(writer, runbook), check=False, capture_output=True, text=True)
    assert f"You may not write in {place}." in done.stderr
    assert runbook.read_text() == EMPTY


def test_what_is_no_text_is_a_sentence(runbook: Path, tmp_path: Path) -> None:
    runbook.write_bytes(b"# Caf\xe9\n")
    with pytest.raises(RoadbedError, match=r"is not UTF-8 \(byte 6\)"):
        edit(runbook, lambda text: text)
    with pytest.raises(RoadbedError, match="can't be read: Is a directory"):
        read(tmp_path)
    require_writable(runbook)
