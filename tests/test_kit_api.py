"""The contract between the template and the teams: what it promised once, it keeps."""

from __future__ import annotations

from pathlib import Path

import kit_api
import pytest
from histories import build_file_tree, git, git_save

from roadbed.git import GitError

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kit_api.rendered_service(ROOT, tmp_path_factory.mktemp("kit") / "orders")


def test_the_record_is_what_the_kit_offers(service: Path) -> None:
    """Else: `.venv/bin/python tests/kit_api.py`, and look at the difference."""
    recorded = kit_api.RECORD.read_text().splitlines()
    assert kit_api.public_names(service / "src/orders/kit") == recorded


def test_what_the_last_version_offered_is_there_or_was_deprecated() -> None:
    """Before the first release there is nothing to keep."""
    if tag := kit_api.last_release(ROOT):
        before = kit_api.record_of(ROOT, tag)
        assert kit_api.broken(before, kit_api.RECORD.read_text().splitlines()) == []
        assert kit_api.changed_migrations(ROOT, tag) == []


def test_each_line_of_the_kits_migrations_has_one_head(service: Path) -> None:
    heads = kit_api.migration_heads(service / "migrations/kit")
    assert [head.rpartition("_")[0] for head in heads] == ["kit", "outbox"]


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("kit.a.f()", None, "kit.a.f is gone, and the last version did not deprecate it."),
        ("kit.a.f()  # deprecated", None, None),
        ("kit.a.LIMIT: int", None, "kit.a.LIMIT is gone"),
        ("kit.a.f(x: int)", "kit.a.f(x: int, y: int=1)", None),
        ("kit.a.f(x: int)", "kit.a.f(x: int, *, y: int)", "kit.a.f now needs y."),
        ("kit.a.f(x: int=1)", "kit.a.f(x: int)", "kit.a.f now needs x."),
        ("kit.a.f(x: int)", "kit.a.f(y: int)", "kit.a.f does not take x any more."),
        ("kit.a.f(x, y)", "kit.a.f(y, x)", "kit.a.f takes its arguments in another order."),
        ("kit.a.f(x)", "kit.a.f", "kit.a.f is no function any more."),
        ("kit.a.f(x)", "kit.a.f(x)  # deprecated", None),
    ],
)
def test_what_breaks_a_team_is_a_sentence(
    before: str, after: str | None, sentence: str | None
) -> None:
    found = kit_api.broken([before], [after] if after else [])
    assert [bool(found)] == [bool(sentence)]
    assert not sentence or found[0].startswith(sentence)


def test_public_is_what_has_no_underscore(tmp_path: Path) -> None:
    code = '''\
        import os
        LIMIT: int = 3
        _hidden = 1
        def f(x: int, *, y: str = "a") -> None: ...
        async def g(): """Deprecated: use f."""
        class Row:
            name: str
            def __init__(self, name: str) -> None: ...
            def _secret(self): ...
            @property
            def size(self) -> int: ...
        class _Private:
            def f(self): ...
        '''
    build_file_tree(tmp_path, {"kit/part/a.py": code, "kit/__init__.py": ""})
    assert kit_api.public_names(tmp_path / "kit") == [
        "kit.part.a.LIMIT: int",
        "kit.part.a.Row",
        "kit.part.a.Row.__init__(self, name: str) -> None",
        "kit.part.a.Row.name: str",
        "kit.part.a.Row.size(self) -> int",
        "kit.part.a.f(x: int, *, y: str='a') -> None",
        "kit.part.a.g()  # deprecated",
    ]


def test_the_last_release_is_what_a_change_is_held_against(tmp_path: Path) -> None:
    record, migration = f"tests/{kit_api.RECORD.name}", "template/migrations/kit/1.py"
    build_file_tree(tmp_path, {record: "kit.a.f()\n", migration: "revision = 'a'\n"})
    git_save(tmp_path)
    assert kit_api.last_release(tmp_path) is None
    git(tmp_path, "tag", "1.0.0")
    build_file_tree(tmp_path, {record: "kit.a.g()\n", "template/migrations/kit/2.py": ""})
    assert kit_api.last_release(tmp_path) == "1.0.0"
    assert kit_api.record_of(tmp_path, "1.0.0") == ["kit.a.f()"]
    assert kit_api.changed_migrations(tmp_path, "1.0.0") == []
    build_file_tree(tmp_path, {migration: "revision = 'b'\n"})
    assert kit_api.changed_migrations(tmp_path, "1.0.0") == [migration]
    with pytest.raises(GitError):
        kit_api.record_of(tmp_path, "2.0.0")


def test_two_migrations_that_follow_one_are_two_heads(tmp_path: Path) -> None:
    build_file_tree(
        tmp_path,
        {
            "1.py": "revision = 'a'\ndown_revision = None\n",
            "2.py": "revision = 'b'\ndown_revision = 'a'\n",
            "3.py": "revision = 'c'\ndown_revision = 'a'\n",
        },
    )
    assert kit_api.migration_heads(tmp_path) == ["b", "c"]
