"""The template itself: what a reader and a file system have to bear."""

import re
from collections.abc import Iterator
from pathlib import Path


def files(template: Path) -> Iterator[tuple[str, str]]:
    for path in sorted((template / "template").rglob("*")):
        if path.is_file():
            yield path.relative_to(template / "template").as_posix(), path.read_text("utf-8")


def test_every_path_can_be_written_on_every_system(template: Path) -> None:
    assert [path for path, _ in files(template) if re.search(r'["<>|?*: \\]', path)] == []


def test_variants_are_files_and_not_branches_in_the_text(template: Path) -> None:
    lines = [line for _, text in files(template) for line in text.splitlines()]
    statements = [line for line in lines if "{%" in line]
    assert len(statements) < 0.03 * len(lines)


def test_the_suffix_says_truly_that_something_is_substituted(template: Path) -> None:
    """Copier substitutes in a file with the suffix only; a workflow's `${{` is GitHub's."""
    ours = r"(?<!\$)\{\{|\{%"
    substituted = {path: bool(re.search(ours, text)) for path, text in files(template)}
    assert substituted == {path: path.endswith(".jinja") for path in substituted}
