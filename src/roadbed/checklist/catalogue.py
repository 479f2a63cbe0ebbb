"""Every rule, in the order of the article's items, and the ways to name some of them."""

from __future__ import annotations

import difflib
import re

from roadbed.checklist.rule import Item, Rule
from roadbed.checklist.rules import (
    alerts,
    boundaries,
    calls,
    database,
    itself,
    lists,
    operations,
    people,
)
from roadbed.errors import RoadbedError

RULES: tuple[Rule, ...] = (
    *lists.RULES,
    *operations.RULES,
    *calls.RULES,
    *database.RULES,
    *alerts.RULES,
    *people.RULES,
    *boundaries.RULES,
    *itself.RULES,  # last: by then everything was read
)

NAMES: frozenset[str] = frozenset({rule.name for rule in RULES} | {rule.code for rule in RULES})


def find(name: str) -> Rule:
    """The rule of a name or a code.

    Raises:
        RoadbedError: there is none.
    """
    found = named(name)
    if len(found) == 1:
        return found[0]
    raise RoadbedError(f"“{name}” is no rule.", "`roadbed check --list` shows them all.")


def named(name: str) -> list[Rule]:
    """The rules of a name, a code, or the beginning of codes (RB3).

    Raises:
        RoadbedError: there are none.
    """
    wanted = name.strip()
    family = re.fullmatch(r"RB\d{1,3}", wanted, re.IGNORECASE)
    found = [
        rule
        for rule in RULES
        if wanted.lower() == rule.name or (family and rule.code.startswith(wanted.upper()))
    ]
    if not found:
        near = difflib.get_close_matches(wanted.lower(), [rule.name for rule in RULES], n=1)
        advice = f"Did you mean “{near[0]}”?" if near else "`roadbed check --list` shows them all."
        raise RoadbedError(f"“{name}” is no rule.", advice)
    return found


def select(selected: list[str], ignored: list[str]) -> list[Rule]:
    """The rules to ask: all, or those selected; without those ignored.

    Raises:
        RoadbedError: a name that no rule has, or nothing is left.
    """
    chosen = [rule for name in _split(selected) for rule in named(name)] or list(RULES)
    without = {rule.code for name in _split(ignored) for rule in named(name)}
    rules = [rule for rule in RULES if rule in chosen and rule.code not in without]
    if not rules:
        raise RoadbedError("No rule is left to check.", "Select one that is not ignored.")
    return rules


def _split(names: list[str]) -> list[str]:
    return [each for name in names for each in name.split(",") if each.strip()]


def items(rules: list[Rule]) -> list[Item]:
    """What the article asks for that these rules are about, in its order."""
    return [item for item in Item if any(rule.item is item for rule in rules)]
