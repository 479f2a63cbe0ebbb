"""Conflicts: an ordinary cherry-pick in progress, out of which both ways lead."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from histories import git, git_save, made
from losses import lines

from .conftest import Home, document

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def torn(home: Home) -> Home:
    """A service whose update stops: one file in conflict, one deleted by the template and edited."""
    home.commit(a_txt=lines(at20="MINE"), c_txt=lines(at1="c", at9="MINE"))
    home.write("mine.txt", "untracked\n")
    return home


def test_they_are_listed_with_the_ways_out_and_exit_code_1(torn: Home) -> None:
    place = torn.service
    result = torn.update()
    assert result.exit_code == 1
    assert "a.txt: you and the template changed the same place" in result.stderr
    assert "c.txt: you changed or moved it, and the template deletes it" in result.stderr
    assert result.stderr.endswith(
        f"To go on:\n  roadbed update --continue {place}\n  roadbed update --abort {place}\n"
    )
    assert "Committed" not in result.stdout


def test_the_document_lists_them(torn: Home) -> None:
    told = document(torn.update("--json"))
    assert told["outcome"] == "conflicts"
    assert [each["path"] for each in told["conflicts"]] == ["a.txt", "c.txt"]
    assert told["commit"] is None


def test_the_state_is_gits_own(torn: Home) -> None:
    torn.update()
    said = git(torn.service, "status")
    assert "You are currently cherry-picking" in said
    assert "both modified:   a.txt" in said
    assert "deleted by them: c.txt" in said
    marked = "<<<<<<< HEAD\nMINE\n||||||| template v1.0.0\nline 20\n=======\nFIX\n>>>>>>> template v2.0.0\n"
    assert marked in torn.text("a.txt")
    assert "MINE" in torn.text("c.txt")
    assert (torn.service / "new/b.txt").exists()
    assert git(torn.service, "show", ":2:a.txt") + "\n" == lines(at20="MINE")
    assert git(torn.service, "show", ":3:a.txt") + "\n" == lines(at20="FIX")


def test_continue_makes_the_commit_of_what_was_resolved(torn: Home) -> None:
    before = git(torn.service, "rev-parse", "HEAD")
    torn.update()
    torn.write("a.txt", lines(at20="MINE and FIX"))
    git(torn.service, "add", "a.txt")
    git(torn.service, "rm", "--quiet", "c.txt")
    result = torn.update("--continue")
    assert result.exit_code == 0, result.output
    assert git(torn.service, "rev-parse", "HEAD~1") == before
    message = git(torn.service, "log", "-1", "--format=%an: %B")
    assert message.startswith("Ada: Update template from v1.0.0 to v2.0.0\n\n2.0.0\n- Line 20")
    assert "Conflicts" not in message
    assert torn.status() == "?? mine.txt"
    assert torn.text("a.txt") == lines(at20="MINE and FIX")
    assert "orders is up to date: template v2.0.0" in torn.update().stdout


def test_a_name_that_is_no_text_is_one_too(torn: Home) -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    git(torn.service, "mv", "a.txt", name)
    git(torn.service, "commit", "--quiet", "--message", "Moved")
    assert torn.update().exit_code == 1
    torn.write(name, lines(at20="MINE and FIX"))
    git(torn.service, "rm", "--quiet", "c.txt")
    git(torn.service, "add", name)
    assert torn.update("--continue").exit_code == 0
    assert torn.status() == "?? mine.txt"


def test_how_the_user_likes_gits_output_changes_nothing(
    torn: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_LITERAL_PATHSPECS", "1")
    git(torn.service, "config", "color.ui", "always")
    torn.update()
    git(torn.service, "add", "a.txt", "c.txt")
    refused = torn.update("--continue", "--json")
    assert refused.exit_code == 1
    (conflict,) = document(refused)["conflicts"]
    assert conflict["path"] == "a.txt"


def test_git_alone_goes_on_as_well(torn: Home) -> None:
    torn.update()
    torn.write("a.txt", lines(at20="MINE and FIX"))
    git(torn.service, "add", "a.txt", "c.txt")
    git(torn.service, "-c", "core.editor=true", "cherry-pick", "--continue")
    assert git(torn.service, "log", "-1", "--format=%an %s") == (
        "Ada Update template from v1.0.0 to v2.0.0"
    )
    assert torn.update().exit_code == 0


def test_git_alone_goes_back_as_well(torn: Home) -> None:
    before = torn.everything()
    torn.update()
    git(torn.service, "cherry-pick", "--abort")
    after = torn.everything()
    assert {**after, "for-each-ref": ""} == {**before, "for-each-ref": ""}


def test_continue_refuses_what_is_not_resolved(torn: Home) -> None:
    torn.update()
    during = torn.everything()
    open_ = torn.update("--continue")
    assert open_.exit_code == 1
    assert "a.txt" in open_.stderr
    assert torn.everything() == during

    git(torn.service, "add", "a.txt", "c.txt")
    marked = torn.update("--continue")
    assert marked.exit_code == 1
    assert "a.txt: conflict markers are left in it" in marked.stderr
    assert "c.txt" not in marked.stderr


def test_continue_refuses_another_update(torn: Home) -> None:
    torn.update()
    again = torn.update()
    assert again.exit_code == 2
    assert "A cherry-pick is in progress" in again.stderr
    assert "roadbed update --continue or --abort" in again.stderr


def test_somebody_elses_cherry_pick_is_not_finished(home: Home) -> None:
    home.begin_a_cherry_pick()
    for way in ("--continue", "--abort"):
        assert home.update(way).exit_code == 2
    assert (home.service / ".git/CHERRY_PICK_HEAD").exists()


@pytest.mark.parametrize("resolved", [False, True])
def test_abort_brings_every_byte_back(torn: Home, resolved: bool) -> None:
    torn.commit(other_txt="committed\n")
    torn.write("other.txt", "changed, and not committed\n")
    before = torn.everything()
    torn.update()
    if resolved:
        torn.write("a.txt", "half resolved\n")
        git(torn.service, "add", "a.txt")
        torn.write("d.txt", "the template's, and then changed\n")
    result = torn.update("--abort")
    assert result.exit_code == 0, result.output
    assert "orders is as it was before the update: template v1.0.0" in result.stdout
    after = torn.everything()
    assert {**after, "for-each-ref": ""} == {**before, "for-each-ref": ""}
    assert not (torn.service / ".git/CHERRY_PICK_HEAD").exists()
    assert not (torn.service / ".git/MERGE_MSG").exists()
    if resolved:  # what somebody had done by then is not lost either
        assert git(torn.service, "show", "refs/roadbed/aborted:a.txt") == "half resolved"
        assert "and then changed" in git(torn.service, "show", "refs/roadbed/aborted:d.txt")


def test_staged_changes_are_refused_before_a_conflict(torn: Home) -> None:
    git(torn.service, "add", "mine.txt")
    before = torn.everything()
    result = torn.update()
    assert result.exit_code == 2
    assert "mine.txt" in result.stderr
    assert torn.everything() == before


def test_in_a_sub_folder_paths_are_the_services(home: Home, tmp_path: Path) -> None:
    mono = tmp_path / "mono"
    mono.mkdir()
    git_save(mono)
    service = made(home.template, mono / "services/orders")
    (service / "a.txt").write_text(lines(at20="MINE"))
    git_save(mono, "The service")
    inner = Home(home.template, service)
    result = inner.update()
    assert result.exit_code == 1
    assert "\n  a.txt: you and the template" in result.stderr
    assert "both modified:   services/orders/a.txt" in git(mono, "status")
    assert inner.update("--abort").exit_code == 0
    assert git(mono, "status", "--porcelain") == ""
