"""From a changed model to a changed table, by the two commands that the README names."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Home
from .machine import run

pytestmark = pytest.mark.xdist_group("default_home")


@pytest.fixture
def changed(default_home: Home) -> Iterator[Home]:
    """The default service with one more column; it is the old one again afterwards."""
    (models,) = default_home.folder.glob("src/*/modules/*/models.py")
    with models.open("a", encoding="utf-8") as file:
        file.write("    note: Mapped[str | None]\n")
    yield default_home
    run("git", "checkout", "--quiet", ".", cwd=default_home.folder, env=default_home.env)
    run(
        "git",
        "clean",
        "--quiet",
        "-fd",
        "migrations",
        cwd=default_home.folder,
        env=default_home.env,
    )
    shutil.rmtree(default_home.folder / ".postgres")


def revisions(home: Home) -> set[Path]:
    return set(home.folder.glob("migrations/*/*.py"))


def test_a_changed_model_becomes_a_migration_that_applies(changed: Home) -> None:
    before = revisions(changed)
    changed.make("migration", "name=add a note")
    (drafted,) = revisions(changed) - before
    assert drafted.parent == changed.folder / "migrations" / "service"
    text = drafted.read_text("utf-8")
    assert text.startswith('"""Add a note."""\n')
    assert 'op.add_column("payments", sa.Column("note"' in text
    assert 'down_revision: str | Sequence[str] | None = "service_0001"' in text

    assert "Add a note." in changed.make("migrate")
    # Formatted, linted, typed; and the models hold nothing that the tables do not.
    assert "No new upgrade operations detected" in changed.make("check")
    assert " passed in " in changed.make("test")
