"""The check: ask each rule, apply the waivers, count what holds."""

from __future__ import annotations

import hashlib
import traceback
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadbed.checklist import catalogue, waivers
from roadbed.checklist.evidence import Evidence, Place, State, unknown, worst
from roadbed.checklist.rule import Item
from roadbed.checklist.service import Service

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from pathlib import Path

    from roadbed.checklist.configuration import Configuration
    from roadbed.checklist.facts.openapi import Document
    from roadbed.checklist.rule import Rule


@dataclass(frozen=True)
class Result:
    """What one rule found."""

    rule: Rule
    evidence: tuple[Evidence, ...]

    @property
    def state(self) -> State:
        """That of the worst of the evidence."""
        return worst([each.state for each in self.evidence])

    def of(self, *states: State) -> list[Evidence]:
        """The evidence in these states."""
        return [each for each in self.evidence if each.state in states]


@dataclass(frozen=True)
class Report:
    """What a check found in a service.

    Attributes:
        root: its folder.
        results: one a rule, in the catalogue's order.
    """

    root: Path
    results: tuple[Result, ...]

    def of(self, item: Item) -> list[Result]:
        """The results of an item's rules."""
        return [each for each in self.results if each.rule.item is item]

    def items(self) -> dict[Item, State]:
        """How each of the article's items stands; the check's own rules are none of them."""
        asked = catalogue.items([each.rule for each in self.results])
        return {
            item: worst([each.state for each in self.of(item)])
            for item in asked
            if item is not Item.ITSELF
        }

    def is_red(self, fail_on: Sequence[State]) -> bool:
        """Whether any evidence is in one of these states."""
        return any(result.of(*fail_on) for result in self.results)

    def summary(self) -> str:
        """One line that a manager understands."""
        states = Counter(self.items().values())
        total = sum(states.values()) - states[State.NA]
        kept = states[State.PASS] + states[State.WARN] + states[State.WAIVED]
        words = [f"{kept} of {total} items {'holds' if kept == 1 else 'hold'}"]
        for state, one, many in (
            (State.FAIL, "1 fails", "{} fail"),
            (State.UNKNOWN, "1 could not be verified", "{} could not be verified"),
        ):
            count = states[state]
            if count:
                words.append(one if count == 1 else many.format(count))
        apart = [
            f"{states[state]} {words_for}"
            for state, words_for in (
                (State.WARN, "with a warning"),
                (State.WAIVED, "by a waiver"),
            )
            if states[state]
        ]
        if apart:
            words[0] += f" ({', '.join(apart)})"
        if states[State.NA]:
            words.append(
                f"{states[State.NA]} {'does' if states[State.NA] == 1 else 'do'} not apply"
            )
        own = worst([each.state for each in self.of(Item.ITSELF)])
        if own is State.FAIL:
            words.append("and the check itself has something to say")
        return ", ".join(words) + "."


def check(
    root: Path,
    rules: list[Rule],
    configuration: Configuration,
    today: date,
    imported_app: Document | None = None,
) -> Report:
    """Ask `rules` about the service at `root`."""
    service = Service(root, configuration, today, imported_app)
    waiving = waivers.collect(service.tree, configuration.waivers, set(catalogue.NAMES))
    found: dict[str, list[Evidence]] = {}
    for rule in rules:
        names = {rule.name, rule.code}
        found[rule.name] = [waiving.apply(names, each) for each in _asked(rule, service)]
    everything = len(rules) == len(catalogue.RULES)
    for name, evidence in waivers.findings(waiving, today, all_rules=everything).items():
        if name in found:
            found[name] = evidence
    return Report(root, tuple(Result(rule, tuple(_sorted(found[rule.name]))) for rule in rules))


def _asked(rule: Rule, service: Service) -> list[Evidence]:
    """A rule's evidence. A mistake of the rule's own is a thing that could not be verified."""
    try:
        return list(rule.check(service))
    except (RecursionError, MemoryError) as error:
        return [unknown(f"Something here is nested too deeply to read ({type(error).__name__})")]
    except Exception as error:  # noqa: BLE001 - one rule's defect is not the end of the others
        last = traceback.extract_tb(error.__traceback__)[-1]
        return [
            unknown(
                f"This rule has a defect, please report it: {type(error).__name__} in"
                f" {last.name}, line {last.lineno}: {str(error)[:120]}"
            )
        ]


def _sorted(evidence: list[Evidence]) -> list[Evidence]:
    def key(each: Evidence) -> tuple[int, str, int]:
        place = each.place or Place("")
        return list(State).index(each.state), place.path, place.line

    return sorted(evidence, key=key)


def fingerprints(result: Result) -> list[str]:
    """A name for each piece of evidence that stays when lines move: rule, file, subject, which one."""
    seen: Counter[tuple[str, str]] = Counter()
    names = []
    for evidence in result.evidence:
        about = (
            evidence.place.path if evidence.place else "",
            evidence.subject or evidence.message,
        )
        spelled = "\0".join([result.rule.name, *about, str(seen[about])])
        seen[about] += 1
        names.append(hashlib.sha256(spelled.encode("utf-8", "replace")).hexdigest()[:32])
    return names
