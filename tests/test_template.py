"""Where the template comes from, and its versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from histories import build_file_tree, git, git_save

from roadbed.errors import RoadbedError
from roadbed.template import opened

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Releases 1.9.0, 1.10.0 and a pre-release, another tag, and a commit after them all."""
    root = tmp_path / "history"
    for tag in ("v1.9.0", "v1.10.0", "v2.0.0rc1", "nightly"):
        build_file_tree(root, {"copier.yml": f"# {tag}\n"})
        git_save(root, tag=tag)
    build_file_tree(root, {"copier.yml": "# unreleased\n"})
    git_save(root)
    return root


def content(root: Path, ref: str | None, folder: Path) -> str:
    with opened(str(root)) as template:
        template.write(template.version(ref), folder)
    return (folder / "copier.yml").read_text()


def test_tags_are_versions_in_the_order_of_pep_440(history: Path) -> None:
    with opened(str(history)) as template:
        assert template.releases() == ["v1.9.0", "v1.10.0", "v2.0.0rc1"]


def test_the_newest_release_is_the_default(history: Path, tmp_path: Path) -> None:
    with opened(str(history)) as template:
        assert template.version().name == "v1.10.0"
    assert content(history, None, tmp_path / "x") == "# v1.10.0\n"


def test_without_a_release_it_is_the_last_commit(tmp_path: Path) -> None:
    build_file_tree(tmp_path / "new", {"copier.yml": "# first\n"})
    git_save(tmp_path / "new")
    with opened(str(tmp_path / "new")) as template:
        assert template.version().name == git(tmp_path / "new", "describe", "--always")
    assert content(tmp_path / "new", None, tmp_path / "x") == "# first\n"


@pytest.mark.parametrize("ref", ["v1.9.0", "nightly", "main", "HEAD~1"])
def test_a_ref_is_a_tag_a_branch_or_a_commit(history: Path, tmp_path: Path, ref: str) -> None:
    expected = git(history, "show", f"{ref}:copier.yml")
    assert content(history, ref, tmp_path / "x").strip() == expected
    with opened(str(history)) as template:
        version = template.version(ref)
    assert version.commit == git(history, "rev-parse", ref)
    assert version.name == git(history, "describe", "--tags", "--always", ref)


def test_a_branch_that_only_origin_has_will_do(history: Path, tmp_path: Path) -> None:
    git(history, "branch", "next")
    git(tmp_path, "clone", "--quiet", str(history), "clone")
    with opened(str(tmp_path / "clone")) as template:
        assert template.version("next").commit == git(history, "rev-parse", "next")


@pytest.mark.parametrize("ref", ["v9", "--help", "", "v1.9.0^{tree}"])
def test_an_unknown_ref_names_the_newest_releases(history: Path, ref: str) -> None:
    with (
        opened(str(history)) as template,
        pytest.raises(RoadbedError, match=r"no tag, branch or commit.*v2\.0\.0rc1, v1\.10\.0"),
    ):
        template.version(ref)


def test_a_bundle_serves_the_same_versions(history: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "history.bundle"
    git(history, "bundle", "create", "--quiet", str(bundle), "HEAD", "--tags")
    with opened(str(bundle)) as template:
        assert template.source == str(bundle)
        assert template.releases() == ["v1.9.0", "v1.10.0", "v2.0.0rc1"]
        assert template.version("HEAD").commit == git(history, "rev-parse", "HEAD")
    assert content(bundle, None, tmp_path / "x") == "# v1.10.0\n"


def test_an_address_serves_the_same_versions(history: Path, tmp_path: Path) -> None:
    with opened(f"file://{history}") as template:
        assert template.source == f"file://{history}"
        assert template.version("main").commit == git(history, "rev-parse", "main")
        template.write(template.version(), tmp_path / "x")
    assert (tmp_path / "x/copier.yml").read_text() == "# v1.10.0\n"


def test_a_bare_repository_will_do(history: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--bare", str(history), "bare.git")
    assert content(tmp_path / "bare.git", None, tmp_path / "x") == "# v1.10.0\n"


def test_a_linked_work_tree_will_do(history: Path, tmp_path: Path) -> None:
    git(history, "worktree", "add", "--quiet", str(tmp_path / "linked"), "v1.9.0")
    assert content(tmp_path / "linked", "HEAD", tmp_path / "x") == "# v1.9.0\n"


def test_writing_leaves_the_checkout_as_it_is(history: Path, tmp_path: Path) -> None:
    build_file_tree(history, {"copier.yml": "# edited\n", "staged": "", "untracked": ""})
    git(history, "add", "staged")
    before = git(history, "status", "--porcelain"), (history / ".git/index").read_bytes()
    assert content(history, "HEAD", tmp_path / "x") == "# unreleased\n"
    after = git(history, "status", "--porcelain"), (history / ".git/index").read_bytes()
    assert after == before
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == ["copier.yml"]


def test_what_is_written_depends_on_the_commit_alone(history: Path, tmp_path: Path) -> None:
    build_file_tree(history, {"run": "#!/bin/sh\n", "folder/file": "x\n"})
    (history / "run").chmod(0o755)
    (history / "link").symlink_to("run")
    git_save(history)
    hook = history / ".git/hooks/post-index-change"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
    hook.chmod(0o755)
    git(history, "config", "core.autocrlf", "true")
    git(history, "sparse-checkout", "set", "elsewhere")
    git(history, "reset", "--quiet", "--hard")
    (tmp_path / "hooked").unlink(missing_ok=True)

    assert content(history, "HEAD", tmp_path / "x") == "# unreleased\n"
    assert (tmp_path / "x/run").read_bytes() == b"#!/bin/sh\n"
    assert (tmp_path / "x/run").stat().st_mode & 0o100
    assert (tmp_path / "x/link").readlink().name == "run"
    assert (tmp_path / "x/folder/file").exists()
    assert not (tmp_path / "hooked").exists()


@pytest.mark.parametrize(
    ("origin", "recorded"),
    [
        ("https://ada:hunter2@example.com/x.git", "https://example.com/x.git"),
        ("git@example.com:acme/x.git", "git@example.com:acme/x.git"),
        ("/srv/templates/x.git", "/srv/templates/x.git"),
    ],
)
def test_the_origin_of_a_checkout_is_recorded(history: Path, origin: str, recorded: str) -> None:
    git(history, "remote", "add", "origin", origin)
    with opened(str(history)) as template:
        assert template.source == recorded


def test_a_relative_origin_is_recorded_as_absolute(history: Path, tmp_path: Path) -> None:
    git(history, "remote", "add", "origin", "../upstream")
    with opened(str(history)) as template:
        assert template.source == str(tmp_path / "upstream")


def test_a_token_that_git_puts_into_addresses_is_not_recorded(history: Path) -> None:
    git(history, "remote", "add", "origin", "https://example.com/x.git")
    git(
        history,
        "config",
        "--global",
        "url.https://t0ken@example.com/.insteadOf",
        "https://example.com/",
    )
    with opened(str(history)) as template:
        assert template.source == "https://example.com/x.git"


def test_of_several_origins_it_is_the_one_that_git_fetches_from(history: Path) -> None:
    git(history, "remote", "add", "origin", "https://example.com/x.git")
    git(history, "remote", "set-url", "--add", "origin", "https://example.com/mirror.git")
    with opened(str(history)) as template:
        assert template.source == "https://example.com/x.git"


def test_without_an_origin_the_path_is_recorded(history: Path) -> None:
    with opened(str(history)) as template:
        assert template.source == str(history)


def test_a_checkout_with_changes_says_so(history: Path) -> None:
    with opened(str(history)) as template:
        assert not template.uncommitted()
        (history / "new").touch()
        assert template.uncommitted()


def test_no_repository_no_folder_and_no_commit_are_sentences(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    with pytest.raises(RoadbedError, match="no git history"), opened(str(plain)):
        pass
    with pytest.raises(RoadbedError, match="no such folder"), opened(str(tmp_path / "nowhere")):
        pass
    git(plain, "init", "--quiet")
    with opened(str(plain)) as template, pytest.raises(RoadbedError, match="no commit yet"):
        template.version()


def test_a_folder_inside_a_repository_is_no_template(history: Path) -> None:
    (history / "sub").mkdir()
    with pytest.raises(RoadbedError, match=f"but a folder of {history}"), opened(f"{history}/sub"):
        pass


def test_an_address_that_is_not_reached_is_a_sentence_without_its_password() -> None:
    address = "https://ada:hunter2@localhost:1/x.git"
    with pytest.raises(RoadbedError, match="could not be fetched") as refused, opened(address):
        pass
    assert "hunter2" not in str(refused.value)
