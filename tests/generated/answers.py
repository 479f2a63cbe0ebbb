"""The answers that the tests give: read from `copier.yml` where it offers choices.

The product of all values is too large to render, so that combinations cover every *pair* of values;
two answers that harm each other are found, and three that only do so together are not.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import yaml

# One way to vary the services: for each label, the answers that it stands for.
Answers: TypeAlias = Mapping[str, str | bool]
Factor: TypeAlias = Mapping[str, Answers]
Pair: TypeAlias = frozenset[tuple[str, str]]

# Text that breaks what is careless: quotes of both kinds, an ampersand and angle brackets, a
# backslash, a percent sign, letters outside ASCII, and what looks like Jinja, make, shell and YAML.
AWKWARD = """"Übersicht" & 'Ärger' <é>: C:\\new, 100 %s # {{ 7 * 7 }} {% raw %} ${HOME} $(shell id) - 支払い"""


@dataclass(frozen=True)
class Combination:
    """One label of every factor, and the answers that they stand for together."""

    labels: Mapping[str, str]
    answers: Answers

    def __str__(self) -> str:
        """Names the combination in a test's id."""
        return "-".join(self.labels.values())


def questions(template: Path) -> dict[str, dict[str, object]]:
    """The questions that `copier.yml` asks, without the entries that it computes."""
    entries = yaml.safe_load((template / "copier.yml").read_text(encoding="utf-8"))
    return {
        name: entry
        for name, entry in entries.items()
        if not name.startswith("_") and entry.get("when") is not False
    }


def computed(template: Path, name: str) -> list[str]:
    """The words of a computed list of `copier.yml`."""
    entries = yaml.safe_load((template / "copier.yml").read_text(encoding="utf-8"))
    words: list[str] = yaml.safe_load(entries[name]["default"])
    return words


def choices(template: Path, question: str) -> list[str]:
    """What may be answered to a question that offers choices."""
    offered = questions(template)[question]["choices"]
    assert isinstance(offered, dict)
    return list(offered.values())


def factors(template: Path) -> dict[str, Factor]:
    """How services may differ. The first label of each is the default, the last the farthest."""
    return {
        "service": {
            "orders": {"service_name": "orders"},
            "shortest": {"service_name": "q4"},
            "longest": {"service_name": "customer-invoice-api"},
        },
        "module": {
            "default": {},
            "shortest": {"module": "fee"},
            "ies": {"module": "category"},
            "longest": {"module": "subscription_renewal"},
            "words": {"module": "line_item"},
        },
        "deployment": {
            choice: {"deployment": choice} for choice in choices(template, "deployment")
        },
        "ownership": {choice: {"ownership": choice} for choice in choices(template, "ownership")},
        "public ids": {
            choice: {"public_ids": choice} for choice in choices(template, "public_ids")
        },
        "tokens": {"keys": {}, "oidc": {"oidc": True}},
        "outbox": {"none": {}, "outbox": {"outbox": True}},
        "limits": {"postgres": {}, "redis": {"redis": True}},
        "traces": {"none": {}, "traces": {"tracing": True}},
        "people": {
            "nobody": {},
            "everybody": {
                "team": "@acme/ledger",
                "chat": "https://chat.invalid/ledger",
                "paging": "https://pager.invalid/ledger",
            },
            "awkward": {
                "team": AWKWARD[:80].strip(),
                "chat": f"Chat {AWKWARD}",
                "paging": f"Page {AWKWARD}",
            },
        },
        "description": {
            "default": {},
            "awkward": {"description": AWKWARD.ljust(120, "…")},
        },
    }


@cache
def combinations(template: Path) -> list[Combination]:
    """The default answers, the most different ones, then as many as it takes to meet every pair."""
    varied = factors(template)
    first = {name: next(iter(labels)) for name, labels in varied.items()}
    last = {name: list(labels)[-1] for name, labels in varied.items()}
    # A bit for each pair: there are tens of thousands of rows, and every test asks.
    bits = {pair: 1 << number for number, pair in enumerate(all_pairs(varied))}
    rows = [
        (row, _mask(row, bits))
        for labels in itertools.product(*varied.values())
        if (row := dict(zip(varied, labels, strict=True)))
    ]
    chosen = [first, last]
    missing = sum(bits.values()) & ~_mask(first, bits) & ~_mask(last, bits)
    while missing:
        best, mask = max(rows, key=lambda each: (each[1] & missing).bit_count())
        missing &= ~mask
        chosen.append(best)
    return [_combination(varied, row) for row in chosen]


def _mask(row: Mapping[str, str], bits: Mapping[Pair, int]) -> int:
    return sum(bits[pair] for pair in pairs(row))


def all_pairs(varied: Mapping[str, Factor]) -> set[Pair]:
    """Every two labels of two different factors."""
    return {
        frozenset({(one, a), (other, b)})
        for one, other in itertools.combinations(varied, 2)
        for a, b in itertools.product(varied[one], varied[other])
    }


def pairs(row: Mapping[str, str]) -> set[Pair]:
    """The pairs that one combination covers."""
    return {frozenset(pair) for pair in itertools.combinations(row.items(), 2)}


def _combination(varied: Mapping[str, Factor], row: Mapping[str, str]) -> Combination:
    answers: dict[str, str | bool] = {}
    for name, label in row.items():
        answers |= varied[name][label]
    return Combination(row, answers)
