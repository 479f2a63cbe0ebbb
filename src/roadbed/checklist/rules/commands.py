"""RB504: the commands in the documents name what is there."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from typing import TYPE_CHECKING

from roadbed.checklist.evidence import Place, failed, irrelevant, passed
from roadbed.checklist.rule import Item, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadbed.checklist.evidence import Evidence
    from roadbed.checklist.service import Service

_SHELL = {"", "sh", "bash", "shell", "console", "zsh", "shell-session", "terminal"}
_MAKEFILES = ("Makefile", "makefile", "GNUmakefile")
_TARGET = re.compile(r"(?m)^([^\s:#=][^:#=\n]*?)\s*::?(?!=)")
_INTERPRETERS = {"bash", "sh", "zsh", "source", "."}
_PATH_OPTIONS = {
    "kubectl": {"-f", "-k", "--filename", "--kustomize"},
    "docker": {"-f", "--file"},
    "docker-compose": {"-f", "--file"},
    "pip": {"-r", "--requirement"},
    "promtool": set(),
}
_ODD = re.compile(r"[<>{}$*?~`|\\…]")
_PROMPT = re.compile(r"^\s*[$%>#]\s+")


def runbook_command_broken(service: Service) -> Iterator[Evidence]:
    """Fenced commands name make targets, scripts and modules that exist."""
    checked = 0
    first: Place | None = None
    for name in ("README", "ARCHITECTURE", "RUNBOOK"):
        document = service.document(name)
        for block in document.blocks if document else ():
            if document is None or (block.info.split() or [""])[0].lower() not in _SHELL:
                continue
            for number, line in enumerate(block.lines):
                place = Place(document.path, block.line + number)
                if _leaves(line):  # into another checkout, or a folder that it makes
                    break
                for what, missing in _named(service, line):
                    checked += 1
                    first = first or place
                    if missing:
                        yield failed(f"`{what}`: {missing}", place, subject=what)
    if checked:
        yield passed(f"{checked} names in commands were looked up", first)
    else:
        yield irrelevant(
            "No fenced command names a target, a script or a module of this repository"
        )


def _leaves(line: str) -> bool:
    return bool(re.search(r"\bgit clone\b|^\s*[$%]?\s*(cd|pushd)\s", line))


def _named(service: Service, line: str) -> Iterator[tuple[str, str]]:
    """What a line's commands name, and what is wrong with each; nothing if all is well."""
    line = _PROMPT.sub("", line)
    for command in re.split(r"&&|\|\||;|\|", line):
        try:
            words = shlex.split(command, comments=True)
        except ValueError:  # it goes on in the next line
            continue
        while words and (re.fullmatch(r"\w+=.*", words[0]) or words[0] in {"sudo", "time", "exec"}):
            words.pop(0)
        if words:
            yield from _command(service, words)


def _command(service: Service, words: list[str]) -> Iterator[tuple[str, str]]:
    program, rest = words[0], words[1:]
    if program == "make":
        yield from _make(service, rest)
    elif re.fullmatch(r"(\S*/)?python[\d.]*", program):
        yield from _python(service, rest)
    elif program in _INTERPRETERS and rest and not rest[0].startswith("-"):
        yield from _path(service, rest[0], " ".join(words))
    elif program.startswith("./"):
        yield from _path(service, program, program)
    for option, value in pairwise(rest):
        if option in _PATH_OPTIONS.get(program, ()):
            yield from _path(service, value, f"{program} {option} {value}")


def _make(service: Service, words: list[str]) -> Iterator[tuple[str, str]]:
    if any(
        word in {"-C", "-f"} or word.startswith(("--dir", "--file", "-C", "-f")) for word in words
    ):
        return
    makefile = next((each for each in _MAKEFILES if each in service.tree.files), None)
    targets = [
        word
        for word in words
        if not word.startswith("-") and "=" not in word and not _ODD.search(word)
    ]
    if makefile is None:
        for target in targets:
            yield f"make {target}", "there is no Makefile"
        return
    text = service.tree.text(makefile)
    if re.search(r"(?m)^\s*-?include\b", text):
        return  # its targets may be anywhere
    known = {name for found in _TARGET.findall(text) for name in found.split()}
    patterns = [re.escape(name).replace("%", ".+") for name in known if "%" in name]
    for target in targets:
        there = target in known or any(re.fullmatch(each, target) for each in patterns)
        yield f"make {target}", "" if there else f"{makefile} has no target “{target}”"


def _python(service: Service, words: list[str]) -> Iterator[tuple[str, str]]:
    if len(words) > 1 and words[0] == "-m":
        package, *rest = words[1].split(".")
        roots = [root for root in ("", "src/") if service.tree.has(f"{root}{package}")]
        if roots and not _ODD.search(words[1]):
            path = "/".join([f"{roots[0]}{package}", *rest])
            there = service.tree.has(f"{path}.py") or service.tree.has(f"{path}/__main__.py")
            yield f"python -m {words[1]}", "" if there else "there is no such module"
    elif words and words[0].endswith(".py"):
        yield from _path(service, words[0], f"python {words[0]}")


def _path(service: Service, path: str, command: str) -> Iterator[tuple[str, str]]:
    if _ODD.search(path) or path.startswith(("/", "-", "..")) or "://" in path or path == ".":
        return
    made = path.removeprefix("./").startswith(
        (".venv/", "venv/", "build/", "dist/", "out/", "node_modules/")
    )
    if made:
        return
    there = service.tree.has(path.removeprefix("./").rstrip("/"))
    yield command, "" if there else f"there is no {path}"


RUNBOOK_COMMAND_BROKEN = Rule(
    code="RB504",
    name="runbook-command-broken",
    item=Item.DOCUMENTS,
    promise="Commands in README, ARCHITECTURE and RUNBOOK name targets, scripts and modules that exist.",
    why="A command that fails at 3 a.m. costs more than none.",
    how=(
        "Fenced shell blocks: `make TARGET` against the Makefile, scripts and files against the tree,"
        " `python -m MODULE` against the packages here. After `cd` or `git clone` a block is elsewhere."
    ),
    mistakes="Commands of other tools are not known. Nothing is run.",
    mend="Mend the command, or add what it names.",
    sources=("the article: “The runbook is the most important file in production”",),
    check=runbook_command_broken,
)
