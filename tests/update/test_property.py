"""Random edits of a user times random edits of a template: nothing is lost, nothing is missed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from histories import change, git, git_save
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roadbed.service import found
from roadbed.update import moving, resuming
from roadbed.update.engine import made
from roadbed.update.merging import merge
from roadbed.update.moving import Kind, Move
from roadbed.update.pristine import Pristine

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = ("a.txt", "kit/b.txt", "kit/c.txt", "ops/d.txt")
ANSWERS = {".copier-answers.yml": "_commit: v1\n_src_path: nowhere\n"}
LENGTH = 12
Files = dict[str, list[str]]

BEFORE: Files = {name: [f"{name} {number}" for number in range(LENGTH)] for name in NAMES}


@dataclass(frozen=True)
class Edit:
    """One edit: what is done to which file, and where in it."""

    kind: str
    name: str
    line: int


def edits(who: str) -> st.SearchStrategy[tuple[list[Edit], Files]]:
    """Some edits of somebody, and the files after them; new lines say who wrote them."""
    kinds = st.sampled_from(["insert", "change", "remove", "insert", "change", "move", "delete"])
    each = st.builds(Edit, kinds, st.sampled_from(NAMES), st.integers(0, LENGTH - 1))
    return st.lists(each, max_size=6, unique_by=lambda edit: (edit.name, edit.line)).map(
        lambda chosen: (chosen, edited(chosen, who))
    )


def edited(chosen: list[Edit], who: str) -> Files:
    """The files after the edits. A file that was moved or deleted is edited no more."""
    files = {name: list(lines) for name, lines in BEFORE.items()}
    order = sorted(chosen, key=lambda edit: (edit.kind in {"move", "delete"}, -edit.line))
    for number, edit in enumerate(order):
        lines = files.get(edit.name)
        if lines is None:
            continue
        if edit.kind == "insert":
            lines.insert(edit.line, f"{who} {number} in {edit.name}")
        elif edit.kind == "change":
            lines[edit.line] = f"{who} {number} in {edit.name}"
        elif edit.kind == "remove":
            del lines[edit.line]
        elif edit.kind == "move":
            files[f"{who}/{edit.name}"] = files.pop(edit.name)
        else:
            del files[edit.name]
    return files


def texts(files: Files) -> dict[str, str]:
    return {name: "".join(f"{line}\n" for line in lines) for name, lines in files.items()}


def everything(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }


def pristine(root: Path, files: Mapping[str, str], version: str) -> Pristine:
    """A rendering, made of files."""
    repository = found(root).repository
    all_ = {**files, ".copier-answers.yml": f"_commit: {version}\n_src_path: nowhere\n"}
    listing = {
        name: ("100644", repository.run("hash-object", "-w", "--stdin", stdin=text))
        for name, text in all_.items()
    }
    return Pristine(repository.tree(listing), "", (), ())


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(users=edits("user"), templates=edits("template"))
def test_every_line_of_both_is_in_the_result_or_in_a_conflict(
    users: tuple[list[Edit], Files], templates: tuple[list[Edit], Files]
) -> None:
    ours, theirs = users[1], templates[1]
    with TemporaryDirectory() as scratch:
        root = Path(scratch, "orders")
        change(root, {**texts(ours), **ANSWERS})
        git_save(root, "Mine")
        before = everything(root)
        old, new = pristine(root, texts(BEFORE), "v1"), pristine(root, texts(theirs), "v2")
        service = found(root)
        merged = merge(service, old, new, names=("v1", "v2"), message="Update")
        reported = {each.path for each in merged.conflicts} | {each.path for each in merged.left}
        head = f"{service.head}^{{tree}}"
        with moving.exclusive(service.repository):
            if merged.conflicts:
                move = Move(
                    Kind.CONFLICT,
                    service.head,
                    head,
                    merged.tree,
                    None,
                    merged.pick,
                    "Update\n",
                    merged.stages,
                )
            else:
                commit = made(service, merged.tree, "Update\n")
                move = Move(Kind.UPDATE, service.head, head, merged.tree, commit)
            moving.perform(service.repository, move)
        after = everything(root)
        held = b"".join(after.values()).decode()

        # Every line that the user added is there, as it was or between a conflict's markers.
        for lines in ours.values():
            for line in lines:
                assert not line.startswith("user") or f"{line}\n" in held
        # Every change of the template to a file that the user did not touch is there.
        for name in NAMES:
            if ours.get(name) == BEFORE[name] and name not in reported:
                assert after.get(name) == texts(theirs).get(name, "").encode() or (
                    name not in theirs and name not in after
                )
        # Its other changes are there as well, or their file is reported, by its old name if it moved.
        for name, lines in theirs.items():
            for line in lines:
                if line.startswith("template"):
                    known = {name, name.removeprefix("template/")}
                    assert f"{line}\n" in held or known & reported
        assert git(root, "status", "--porcelain") == "" or merged.conflicts

        if merged.conflicts:
            resuming.go_back(root)
            assert everything(root) == before
            assert git(root, "status", "--porcelain") == ""
