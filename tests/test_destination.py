"""A folder comes into being whole, or not at all."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from roadbed.destination import made_whole, require_free
from roadbed.errors import RoadbedError


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_it_stands_there_only_when_it_is_whole(tmp_path: Path) -> None:
    with made_whole(tmp_path / "x/y/orders") as building:
        building.mkdir()
        (building / "file").write_text("x")
        assert not (tmp_path / "x/y/orders").exists()
        assert building.name == "orders"
    assert left(tmp_path / "x") == ["y", "y/orders", "y/orders/file"]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_its_mode_is_that_of_any_new_folder(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        with made_whole(tmp_path / "orders") as building:
            building.mkdir()
    finally:
        os.umask(before)
    assert (tmp_path / "orders").stat().st_mode & 0o777 == 0o777 & ~mask


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_any_way_out_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(error), made_whole(tmp_path / "x/y/z/orders") as building:
        building.mkdir()
        raise error
    assert left(tmp_path / "x") == []


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "orders").mkdir()
    require_free(tmp_path / "orders")
    with made_whole(tmp_path / "orders") as building:
        building.mkdir()
        (building / "file").touch()
    assert left(tmp_path) == ["home", "home/.gitconfig", "orders", "orders/file", "work"]


def test_the_current_folder_stays_the_same_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "orders").mkdir()
    monkeypatch.chdir(tmp_path / "orders")
    with made_whole(tmp_path / "orders") as building:
        (building / "folder").mkdir(parents=True)
        (building / ".hidden").touch()
    assert sorted(os.listdir()) == [".hidden", "folder"]  # noqa: PTH208
    assert Path.cwd().samefile(tmp_path / "orders")


def test_of_two_one_wins(tmp_path: Path) -> None:
    destination = tmp_path / "orders"
    with pytest.raises(RoadbedError, match=r"took .*orders in the meantime"):
        with made_whole(destination) as second:
            (second / "second").mkdir(parents=True)
            with made_whole(destination) as first:
                (first / "first").mkdir(parents=True)
    assert left(destination) == ["first"]
    assert not list(tmp_path.glob(".orders*"))


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").touch()
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(RoadbedError, match="full is not empty"):
        require_free(tmp_path / "full")
    with pytest.raises(RoadbedError, match="file is there already"):
        require_free(tmp_path / "file")
    with pytest.raises(RoadbedError, match="dangling is there already"):
        require_free(tmp_path / "dangling")
    with pytest.raises(RoadbedError, match=r"file/orders can't be made: .*file is no folder"):
        require_free(tmp_path / "file/orders")


def test_a_folder_that_nobody_may_write_in_is_a_sentence(tmp_path: Path) -> None:
    """As root too: without the capability to override permissions."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    program = """\
        import ctypes, os, sys
        if "again" not in sys.argv:
            for capability in (1, 2):  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
                ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:], "again"])
        from pathlib import Path
        from roadbed.destination import require_free
        require_free(Path(sys.argv[1]))
        """
    done = subprocess.run(
        [sys.executable, "-c", dedent(program), str(closed / "x/orders")],
        check=False,
        capture_output=True,
        text=True,
    )
    assert f"you may not write in {closed}." in done.stderr


def test_a_disk_that_takes_no_more_is_a_sentence(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(RoadbedError, match="could not be written: File too large"):
        with made_whole(tmp_path / "x/orders") as building:
            building.mkdir()
            resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
            try:
                (building / "file").write_bytes(b"x" * 100)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (tmp_path / "x").exists()
