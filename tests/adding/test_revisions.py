"""The line of migrations, read from files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from roadbed.adding import revisions
from roadbed.errors import RoadbedError

if TYPE_CHECKING:
    from pathlib import Path


def migration(folder: Path, revision: str, follows: object) -> None:
    text = f'"""A step."""\n\nrevision = "{revision}"\ndown_revision: object = {follows!r}\n'
    (folder / f"{revision}_step.py").write_text(text)


def test_the_head_is_what_nothing_follows(tmp_path: Path) -> None:
    assert revisions.head(tmp_path) == ""
    for revision, follows in (("c", "b"), ("a", None), ("b", "a")):
        migration(tmp_path, revision, follows)
    (tmp_path / "helpers.py").write_text("LIMIT = 3\n")
    assert revisions.head(tmp_path) == "c"


def test_a_merge_follows_both(tmp_path: Path) -> None:
    for revision, follows in (("a", None), ("b", "a"), ("c", "a"), ("d", ("b", "c"))):
        migration(tmp_path, revision, follows)
    assert revisions.head(tmp_path) == "d"


def test_several_heads_are_named(tmp_path: Path) -> None:
    for revision, follows in (("a", None), ("b", "a"), ("c", "a")):
        migration(tmp_path, revision, follows)
    with pytest.raises(RoadbedError, match="2 heads: b, c"):
        revisions.head(tmp_path)


def test_one_revision_twice_is_named(tmp_path: Path) -> None:
    migration(tmp_path, "a", None)
    (tmp_path / "copy.py").write_text((tmp_path / "a_step.py").read_text())
    with pytest.raises(RoadbedError, match="are the revision a"):
        revisions.head(tmp_path)


def test_a_file_that_is_no_python_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("revision = (\n")
    with pytest.raises(RoadbedError, match=r"broken\.py can't be read as Python"):
        revisions.head(tmp_path)


def test_two_branches_get_two_names_and_one_the_same_again() -> None:
    assert revisions.revision("a", "invoice") == revisions.revision("a", "invoice")
    names = {revisions.revision(head, noun) for head in "ab" for noun in ("invoice", "customer")}
    assert len(names) == 4
