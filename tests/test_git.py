"""Git: named repositories, readable complaints, no secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from histories import build_file_tree, git_save
from hypothesis import given
from hypothesis import strategies as st

from roadbed import git
from roadbed.errors import RoadbedError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_surrounding_git_does_not_redirect_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_file_tree(tmp_path / "ours", {"a": "a"})
    git_save(tmp_path / "ours", message="Ours")
    build_file_tree(tmp_path / "theirs", {"b": "b"})
    git_save(tmp_path / "theirs", message="Theirs")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "theirs/.git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "theirs/.git/index"))

    assert git.run("log", "--format=%s", at=tmp_path / "ours") == "Ours"
    assert git.run("ls-files", at=tmp_path / "ours") == "a"


def test_the_nearest_setting_counts(tmp_path: Path) -> None:
    build_file_tree(tmp_path / "ours", {"a": "a"})
    git_save(tmp_path / "ours")
    for name in ("commit.gpgSign", "x.name"):
        git.run("config", "--global", name, "true", at=tmp_path / "ours")
        git.run("config", name, "false", at=tmp_path / "ours")
    assert git.setting("x.name", at=tmp_path / "ours") == "false"
    assert git.setting("x.other", at=tmp_path / "ours") is None
    assert not git.is_on("commit.gpgSign", at=tmp_path / "ours")
    with (tmp_path / "ours/.git/config").open("a") as config:
        config.write("[commit]\n\tgpgSign\n")
    assert git.is_on("commit.gpgSign", at=tmp_path / "ours")


def test_a_complaint_is_gits_own_line_without_the_password() -> None:
    url = "https://ada:hunter2@localhost:1/x.git"
    with pytest.raises(git.GitError) as complaint:
        git.run("clone", url)
    assert "localhost:1" in str(complaint.value)
    assert "hunter2" not in str(complaint.value)


def test_no_git_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RoadbedError, match="no git on PATH"):
        git.require()


@pytest.mark.parametrize("answer", ["git version 2.27.9", "git version 1.9", "something else"])
def test_an_old_git_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    old = tmp_path / "git"
    old.write_text(f"#!/bin/sh\necho '{answer}'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RoadbedError, match=rf"{answer}.*needs 2\.28"):
        git.require()


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://ada:hunter2@example.com/x.git", "https://example.com/x.git"),
        ("https://ghp_token@example.com/x.git", "https://example.com/x.git"),
        ("HTTP://ada:p@ss@example.com/x.git", "HTTP://example.com/x.git"),
        ("ssh://git:hunter2@example.com:22/x.git", "ssh://git@example.com:22/x.git"),
        ("ssh://git@example.com/x.git", "ssh://git@example.com/x.git"),
        ("git@example.com:x.git", "git@example.com:x.git"),
        ("https://example.com/@scope/x.git", "https://example.com/@scope/x.git"),
        ("git+https://t0ken@example.com/x.git", "git+https://example.com/x.git"),
        ("gh:example/x", "gh:example/x"),
    ],
)
def test_an_address_is_written_down_without_credentials(url: str, kept: str) -> None:
    assert git.without_credentials(url) == kept


@given(
    scheme=st.sampled_from(["https", "http", "ssh", "git+https"]),
    password=st.text("abc:@%!&=+", min_size=1).map(lambda text: f"S{text}S"),
)
def test_no_password_survives(scheme: str, password: str) -> None:
    kept = git.without_credentials(f"{scheme}://user:{password}@example.com/x.git")
    assert password not in kept
    assert kept.endswith("example.com/x.git")
