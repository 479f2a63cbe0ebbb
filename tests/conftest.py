"""What every test stands on: a home, a git and caches of its own, and small templates."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from histories import SMALL, build_file_tree, git_save
from uv import find_uv_bin

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).parents[1]
LONG = ("generated", "update")  # folders whose files take minutes


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, so that all workers end at about the same time."""
    items.sort(
        key=lambda item: not any(folder in item.path.relative_to(CHECKOUT).parts for folder in LONG)
    )


@pytest.fixture(scope="session", autouse=True)
def nobodys_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the developer's configuration out of the tests, and the tests out of it.

    uv's cache alone is shared: it holds what is downloaded, and nothing that a test decides on.
    """
    home = tmp_path_factory.mktemp("home")
    cache = subprocess.check_output([find_uv_bin(), "cache", "dir"], text=True).strip()
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("GIT_", "XDG_", "COPIER_", "ROADBED_", "PG")):
                patch.delenv(name)
        for name in ("DATABASE_URL", "VIRTUAL_ENV", "PYTHONPATH", "EMAIL", "NO_COLOR"):
            patch.delenv(name, raising=False)
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # each process would compile anew
        patch.setenv("UV_CACHE_DIR", cache)
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        patch.setenv("TERM", "xterm")
        _move_into(home, patch)
        yield


@pytest.fixture(autouse=True)
def nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new home for each test, with an identity for git, and a folder to work in."""
    home = tmp_path / "home"
    home.mkdir()
    _move_into(home, monkeypatch)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return home


def _move_into(home: Path, patch: pytest.MonkeyPatch) -> None:
    (home / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.com\n")
    patch.setenv("HOME", str(home))
    patch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    patch.setenv("COPIER_CACHE_DIR", str(home / "copier"))


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Tests may be run in the background, where programs are started deaf to Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A small template, released as v1.0.0."""
    template = tmp_path / "template"
    build_file_tree(template, SMALL)
    git_save(template, tag="v1.0.0")
    return template


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory, nobodys_machine: None) -> Path:
    """This repository as it stands on the disk, as one commit, released as v9.9.9."""
    copy = tmp_path_factory.mktemp("snapshot") / "roadbed"
    listed = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=CHECKOUT
    )
    for name in filter(None, listed.decode().split("\0")):
        if (CHECKOUT / name).is_file():  # not one that was deleted, and not yet committed so
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, copy / name)
    git_save(copy, tag="v9.9.9")
    return copy


@pytest.fixture(scope="session")
def promtool() -> str:
    """Where promtool is. CI has it; elsewhere these tests are left out, and say so."""
    found = shutil.which("promtool")
    if not found and os.environ.get("CI"):
        pytest.fail("promtool is missing: apt install prometheus")
    if not found:
        pytest.skip("promtool is missing: apt install prometheus")
    return found
