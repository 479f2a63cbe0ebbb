"""Two branches each add an incident, git leaves a conflict, and one call keeps both."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from histories import git, git_save
from runbooks import EMPTY, entry

from roadbed.incidents.adding import add
from roadbed.incidents.conflicts import NotTwoAdditions, has_markers, resolved
from roadbed.incidents.resolving import resolve
from roadbed.incidents.runbook import Runbook

RUNBOOK = Path("RUNBOOK.md")
OURS = {"title": "Ours", "what": "of ours", "caught": "p95 alert"}
THEIRS = {"title": "Theirs", "what": "of theirs", "caught": "p95 alert"}


def write(text: str, message: str) -> None:
    RUNBOOK.write_bytes(text.encode())
    git_save(Path(), message)


@pytest.fixture(params=["merge", "diff3", "zdiff3"])
def repository(request: pytest.FixtureRequest) -> None:
    """A runbook with an old incident, in the current folder's repository."""
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main"], check=True)
    git(Path(), "config", "merge.conflictStyle", request.param)
    write(EMPTY, "Begin")
    add(RUNBOOK, entry(date="2025-01-01", title="Old"))
    git_save(Path(), "An old incident")


def diverge(ours: str, theirs: str, *, by: str = "merge") -> None:
    """Commit `theirs` on a branch and `ours` on main, and bring them together: git fails."""
    git(Path(), "switch", "--quiet", "--create", "other")
    write(theirs, "Theirs")
    git(Path(), "switch", "--quiet", "main")
    write(ours, "Ours")
    assert subprocess.run(["git", by, "other"], check=False, capture_output=True).returncode == 1
    assert has_markers(RUNBOOK.read_bytes().decode())


def with_entry(text: str, **changes: str) -> str:
    runbook = Runbook(text)
    made = entry(**changes)
    return runbook.with_entry(made._replace(id=runbook.free_id(made))).text


def titles() -> list[str]:
    return [it.entry.title for it in Runbook(RUNBOOK.read_bytes().decode()).incidents]


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("by", ["merge", "rebase"])
def test_both_are_kept_though_they_share_lines(by: str) -> None:
    base = RUNBOOK.read_text()
    diverge(with_entry(base, **OURS), with_entry(base, **THEIRS), by=by)
    assert len(resolve(RUNBOOK)) == 1
    assert set(titles()[:2]) == {"Ours", "Theirs"}
    assert titles()[2:] == ["Old"]
    text = RUNBOOK.read_text()
    assert not has_markers(text)
    incidents = Runbook(text).incidents
    assert {it.entry for it in incidents[:2]} == {entry(**OURS), entry(**THEIRS)}
    assert "\n\n\n" not in text
    assert resolve(RUNBOOK) == []


@pytest.mark.usefixtures("repository")
def test_two_with_one_name_get_two() -> None:
    base = RUNBOOK.read_text()
    diverge(with_entry(base, what="of ours"), with_entry(base, what="of theirs"))
    assert resolve(RUNBOOK) == ["2025-06-15-search-timeouts-2"]
    assert {it.entry.what for it in Runbook(RUNBOOK.read_text()).incidents[:2]} == {
        "of ours",
        "of theirs",
    }


@pytest.mark.usefixtures("repository")
def test_line_endings_and_hand_written_entries_stay() -> None:
    base = RUNBOOK.read_text().replace("\n", "\r\n")
    write(base, "As on Windows")
    by_hand = "# Incident 2025-06-15: By hand\r\n**Why:** no blank lines\r\n**Fix:** none\r\n\r\n"
    theirs = base.replace("### Incident 2025-01-01", f"{by_hand}### Incident 2025-01-01")
    diverge(with_entry(base, **OURS), theirs)
    resolve(RUNBOOK)
    text = RUNBOOK.read_bytes().decode()
    assert by_hand in text
    assert "\n" not in text.replace("\r\n", "")


@pytest.mark.usefixtures("repository")
def test_a_changed_entry_is_left_to_a_person() -> None:
    base = RUNBOOK.read_text()
    diverge(
        base.replace("Added pg_trgm indexes", "Added an index"),
        base.replace("Added pg_trgm indexes", "Added two indexes"),
    )
    refuse("the incident 2025-01-01-old differs between the branches")


@pytest.mark.usefixtures("repository")
def test_an_entry_that_one_changed_and_one_removed_is_left_to_a_person() -> None:
    base = RUNBOOK.read_text()
    (old,) = Runbook(base).incidents
    without = base.replace("\n".join(old.lines) + "\n", "")
    diverge(base.replace("rose to 8s", "rose to 9s"), with_entry(without, **THEIRS))
    refuse("more than incidents is in conflict")


@pytest.mark.usefixtures("repository")
def test_what_git_removed_without_a_conflict_stays_removed() -> None:
    base = with_entry(RUNBOOK.read_text(), date="2024-01-01", title="Older")
    write(base, "An older one")
    older = Runbook(base).incidents[-1]
    without = base.replace("\n".join(older.lines) + "\n\n", "")
    diverge(with_entry(base, **OURS), with_entry(without, **THEIRS))
    assert len(resolve(RUNBOOK)) == 1
    assert set(titles()[:2]) == {"Ours", "Theirs"}
    assert titles()[2:] == ["Old"]


@pytest.mark.usefixtures("repository")
def test_a_conflict_elsewhere_is_left_to_a_person() -> None:
    base = RUNBOOK.read_text()
    diverge(
        with_entry(base.replace("the owner", "Ada"), **OURS),
        with_entry(base.replace("the owner", "Grace"), **THEIRS),
    )
    refuse("more than incidents is in conflict")


def refuse(sentence: str) -> None:
    before = RUNBOOK.read_bytes()
    with pytest.raises(NotTwoAdditions, match=sentence):
        resolve(RUNBOOK)
    assert RUNBOOK.read_bytes() == before


CONFLICT = f"""\
{EMPTY[: EMPTY.index("<!-- incidents:end")]}<<<<<<< HEAD
### Incident 2025-06-15: Ours
**Why:** a
@=======
### Incident 2025-06-14: Theirs
**Why:** b
>>>>>>> other

<!-- incidents:end -->
"""


def test_without_git_two_additions_are_told_by_themselves() -> None:
    text, brought = resolved(CONFLICT.replace("@", ""), None, "RUNBOOK.md")
    assert brought == ["2025-06-14-theirs"]
    assert [it.entry.title for it in Runbook(text).incidents] == ["Ours", "Theirs"]
    one_side = CONFLICT.replace("@", "").replace(
        "### Incident 2025-06-14: Theirs\n**Why:** b\n", ""
    )
    with pytest.raises(NotTwoAdditions, match="it may have removed one"):
        resolved(one_side, None, "RUNBOOK.md")
    base = EMPTY.replace(
        "<!-- incidents:end", "### Incident 2025-06-14: Theirs\n\n<!-- incidents:end"
    )
    with pytest.raises(NotTwoAdditions, match="removed or renamed the incident 2025-06-14-theirs"):
        resolved(CONFLICT.replace("@", ""), base, "RUNBOOK.md")
    changed = CONFLICT.replace("@", "").replace("2025-06-14: Theirs", "2025-06-15: Ours")
    with pytest.raises(NotTwoAdditions, match="2025-06-15-ours differs"):
        resolved(changed, None, "RUNBOOK.md")
    with pytest.raises(NotTwoAdditions, match="line 9 does not end"):
        resolved(CONFLICT.replace(">>>>>>> other", ""), None, "RUNBOOK.md")


def test_a_conflict_that_a_code_block_shows_is_none() -> None:
    assert not has_markers("```\n<<<<<<< a\n=======\n>>>>>>> b\n```\n")
    assert has_markers("<<<<<<< a\r\n=======\r\n>>>>>>> b\r\n")
