"""Waivers: a comment beside the line, or a table in pyproject.toml, with a reason.

pool = create_pool(url)  # checklist: allow[call-without-timeout] the role sets its time-outs
-- checklist: allow[select-star] until=2027-01-31 the archive copies whatever there is
"""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass, field, replace
from datetime import date
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from roadbed.checklist.configuration import Waiver
from roadbed.checklist.evidence import Evidence, Place, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadbed.checklist.tree import Tree

_MARK = re.compile(
    r"(?P<sign>#|--|<!--)\s*checklist:\s*allow\[(?P<rules>[^\]\n]*)\](?P<rest>[^\n]*)"
)
_UNTIL = re.compile(r"^\s*until=(\S*)")
_COMMENTED = (".py", ".sql", ".yml", ".yaml", ".md", ".toml", ".tf", ".cfg", ".ini")
_SIGNS = {".sql": "--", ".md": "<!--"}  # what begins a comment; elsewhere a #
_NAMES = ("CODEOWNERS", "Dockerfile", "Makefile", "Procfile")


@dataclass
class Waivers:
    """All waivers of a service, and which of them something needed.

    Attributes:
        broken: what is wrong with one, by the waiver: it then waives nothing.
    """

    valid: list[Waiver] = field(default_factory=list)
    broken: list[tuple[Waiver, str]] = field(default_factory=list)
    used: set[int] = field(default_factory=set)

    def apply(self, names: set[str], evidence: Evidence) -> Evidence:
        """The evidence, waived if a waiver of the rule (by its names) covers it."""
        if evidence.state not in {State.FAIL, State.WARN, State.UNKNOWN}:
            return evidence
        for number, waiver in enumerate(self.valid):
            if names.intersection(waiver.rules) and _covers(waiver, evidence):
                self.used.add(number)
                return replace(evidence, state=State.WAIVED, reason=waiver.reason)
        return evidence

    def unused(self) -> list[Waiver]:
        """Those that nothing needed."""
        return [each for number, each in enumerate(self.valid) if number not in self.used]

    def expired(self, today: date) -> list[Waiver]:
        """Those whose day has passed. They still hold: no service turns red by the calendar."""
        return [each for each in self.valid if each.until and each.until < today]


def _covers(waiver: Waiver, evidence: Evidence) -> bool:
    place = evidence.place
    if waiver.in_source:
        return place is not None and (
            place.path == waiver.path and waiver.line in {place.line, place.begins}
        )
    if waiver.pattern and not (place and fnmatch(place.path, waiver.pattern)):
        return False
    return not waiver.subject or waiver.subject == evidence.subject


def collect(tree: Tree, configured: tuple[Waiver, ...], known: set[str]) -> Waivers:
    """The waivers of a service; `known` are the names and codes of all rules."""
    waivers = Waivers()
    for waiver, wrong in [*((each, "") for each in configured), *_in_files(tree)]:
        odd = [each for each in waiver.rules if each not in known]
        no_rule = f"it names no rule that there is: “{', '.join(odd)}”"
        no_reason = "" if waiver.reason else "it gives no reason"
        why = wrong or (no_rule if odd or not waiver.rules else no_reason)
        if why:
            waivers.broken.append((waiver, why))
        else:
            waivers.valid.append(waiver)
    return waivers


def _in_files(tree: Tree) -> Iterator[tuple[Waiver, str]]:
    for path in tree.files:
        commented = path.endswith(_COMMENTED) or path.rpartition("/")[2].startswith(_NAMES)
        if commented and b"checklist:" in tree.data(path):
            yield from _in_file(path, tree.text(path))


def _in_file(path: str, text: str) -> Iterator[tuple[Waiver, str]]:
    lines = text.split("\n")
    sign = _SIGNS.get(path[path.rfind(".") :], "#")
    comments = _python_comments(text) if path.endswith(".py") else None
    for number, line in enumerate(lines, 1):
        found = _MARK.search(line)
        if found is None or found["sign"] != sign:
            continue
        if comments is not None and number not in comments:
            continue
        rest = found["rest"].removesuffix("-->").strip()
        until, why = None, ""
        if given := _UNTIL.match(rest):
            rest = rest[given.end() :]
            try:
                until = date.fromisoformat(given[1])
            except ValueError:
                why = f"“until={given[1]}” is no date: until=2027-01-31"
        rules = tuple(each.strip() for each in found["rules"].split(",") if each.strip())
        alone = not line[: found.start()].strip()
        covered = _next_line(lines, number) if alone else number
        waiver = Waiver(rules, rest.strip(" \t:-"), until, path, covered, in_source=True)
        yield waiver, why


def _python_comments(text: str) -> set[int]:
    """The lines that hold a comment, which text in a string is not."""
    found = set()
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                found.add(token.start[0])
    except (tokenize.TokenError, SyntaxError):  # the file's own problem, told elsewhere
        pass
    return found


def _next_line(lines: list[str], number: int) -> int:
    """A comment that stands alone is about the line after it, and after further comments."""
    while number < len(lines) and re.match(r"\s*(#|--|<!--|$)", lines[number]):
        number += 1
    return number + 1


def findings(waivers: Waivers, today: date, *, all_rules: bool) -> dict[str, list[Evidence]]:
    """What is to be said about the waivers themselves, by the rule that says it."""
    broken = [
        Evidence(
            State.FAIL, f"A waiver waives nothing: {why}", Place(each.path, each.line), "waiver"
        )
        for each, why in waivers.broken
    ]
    stale = [
        Evidence(
            State.WARN,
            f"The waiver of {', '.join(each.rules)} ended on {each.until}: look whether it still holds",
            Place(each.path, each.line),
            "waiver",
        )
        for each in waivers.expired(today)
    ]
    if all_rules:  # else the rule that needs it may not have been asked
        stale += [
            Evidence(
                State.WARN,
                f"Nothing needs the waiver of {', '.join(each.rules)}: delete it",
                Place(each.path, each.line),
                "waiver",
            )
            for each in waivers.unused()
        ]
    return {"broken-waiver": broken, "stale-waiver": stale}
