"""The kit's public names and signatures: what a team's code may rely on.

`python tests/kit_api.py` writes them into kit_api.txt, so that a change of them is seen in review.
A name goes only after one version in which it was deprecated: its docstring says “Deprecated”, or
it has a decorator of that name.
"""

from __future__ import annotations

import ast
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from roadbed import git
from roadbed.rendering import render
from roadbed.template import Version, releases

ROOT = Path(__file__).parents[1]
RECORD = Path(__file__).with_suffix(".txt")
_DEPRECATED = "  # deprecated"

Function = ast.FunctionDef | ast.AsyncFunctionDef


def rendered_service(root: Path, folder: Path) -> Path:
    """The service that has every optional part, in the new folder `folder`."""
    asked = yaml.safe_load((root / "copier.yml").read_text(encoding="utf-8"))
    answers = {
        name: True
        for name, question in asked.items()
        if isinstance(question, dict)
        and question.get("type") == "bool"
        and question.get("when") is not False
    }
    render(
        root, folder, {"service_name": "orders", **answers}, version=Version("0", "0"), source=""
    )
    return folder


def public_names(kit: Path) -> list[str]:
    """One line for each public name below the folder `kit`."""
    lines = []
    for file in sorted(kit.rglob("*.py")):
        module = ".".join(file.relative_to(kit.parent).with_suffix("").parts)
        lines += _names(
            module.removesuffix(".__init__"), ast.parse(file.read_text(encoding="utf-8")).body
        )
    return sorted(lines)


def broken(before: list[str], after: list[str]) -> list[str]:
    """What code that relied on `before` can't rely on any more; each a sentence."""
    now = {_name(line): line for line in after}
    sentences = []
    for line in before:
        name = _name(line)
        if name not in now:
            if not line.endswith(_DEPRECATED):
                sentences.append(f"{name} is gone, and the last version did not deprecate it.")
        elif why := _narrowed(line, now[name]):
            sentences.append(f"{name} {why}.")
    return sentences


def last_release(root: Path) -> str | None:
    """The newest version of the template in the repository `root`, if there is one."""
    tags = releases(git.run("tag", "--merged", "HEAD", at=root).splitlines())
    return tags[-1] if tags else None


def record_of(root: Path, tag: str) -> list[str]:
    """The public names that a version had."""
    return git.run("show", f"{tag}:tests/{RECORD.name}", at=root).splitlines()


def changed_migrations(root: Path, tag: str) -> list[str]:
    """The kit's migrations that a version had and that are not as they were: they ran already."""
    listed = ("diff", "--name-only", "--no-renames", "--diff-filter=a")
    return git.run(*listed, tag, "--", "template/migrations/kit", at=root).splitlines()


def migration_heads(folder: Path) -> list[str]:
    """The revisions below `folder` that no other one follows."""
    followed, found = set(), set()
    for file in folder.glob("*.py"):
        facts = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in ast.parse(file.read_text(encoding="utf-8")).body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id in {"revision", "down_revision"}
        }
        found.add(facts["revision"])
        followed.add(facts["down_revision"])
    return sorted(found - followed)


def _names(above: str, body: list[ast.stmt]) -> list[str]:
    lines = []
    for node in body:
        if isinstance(node, Function):
            if _is_public(node.name) or node.name in {"__init__", "__call__"}:
                lines.append(f"{above}.{_signature(node)}{_mark(node)}")
        elif isinstance(node, ast.ClassDef) and _is_public(node.name):
            lines.append(f"{above}.{node.name}{_mark(node)}")
            lines += _names(f"{above}.{node.name}", node.body)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            if _is_public(node.target.id):
                lines.append(f"{above}.{node.target.id}: {ast.unparse(node.annotation)}")
        elif isinstance(node, ast.Assign):
            named = [target.id for target in node.targets if isinstance(target, ast.Name)]
            lines += [f"{above}.{name}" for name in named if _is_public(name)]
    return lines


def _is_public(name: str) -> bool:
    return not name.startswith("_")


def _signature(node: Function) -> str:
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({ast.unparse(node.args)}){returns}"


def _mark(node: Function | ast.ClassDef) -> str:
    decorated = any("deprecated" in ast.unparse(each) for each in node.decorator_list)
    return _DEPRECATED if decorated or "Deprecated" in (ast.get_docstring(node) or "") else ""


def _name(line: str) -> str:
    return line.removesuffix(_DEPRECATED).partition("(")[0].partition(":")[0]


def _narrowed(before: str, after: str) -> str:
    """How a call that was right before may be wrong after; empty if it can't."""
    if "(" not in before or "(" not in after:
        return "is no function any more" if "(" in before else ""
    old, new = (_arguments(line) for line in (before, after))
    gone = [name for name in old if name not in new]
    needed = [name for name, optional in new.items() if not optional and old.get(name, True)]
    if gone:
        return f"does not take {', '.join(gone)} any more"
    if needed:
        return f"now needs {', '.join(needed)}"
    shared = [name for name in new if name in old]
    return "takes its arguments in another order" if shared != list(old) else ""


def _arguments(line: str) -> dict[str, bool]:
    """A function's arguments in their order, and whether each may be left out."""
    text = line.removesuffix(_DEPRECATED)
    text = text[text.index("(") :]
    (function,) = ast.parse(f"def f{text}: ...").body
    assert isinstance(function, ast.FunctionDef)
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    defaults = [False] * (len(positional) - len(given.defaults)) + [True] * len(given.defaults)
    named = {
        arg.arg: default is not None
        for arg, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)
    }
    return {arg.arg: has for arg, has in zip(positional, defaults, strict=True)} | named


def main() -> None:
    """Write the record."""
    with TemporaryDirectory() as scratch:
        service = rendered_service(ROOT, Path(scratch, "orders"))
        RECORD.write_text(
            "\n".join(public_names(service / "src/orders/kit")) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
