"""The catalogue: names, codes, and what each rule says of itself."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from roadbed.checklist import catalogue
from roadbed.checklist.rule import Item, Rule
from roadbed.errors import RoadbedError


def test_names_and_codes_are_each_their_own() -> None:
    assert len({rule.name for rule in catalogue.RULES}) == len(catalogue.RULES) == 22
    assert len({rule.code for rule in catalogue.RULES}) == 22
    for rule in catalogue.RULES:
        assert re.fullmatch(r"RB\d{3}", rule.code)
        assert re.fullmatch(r"[a-z]+(-[a-z]+)+", rule.name)


def test_every_item_of_the_article_has_a_rule() -> None:
    assert catalogue.items(list(catalogue.RULES)) == list(Item)


@pytest.mark.parametrize("rule", catalogue.RULES, ids=lambda rule: rule.name)
def test_a_rule_explains_itself(rule: Rule) -> None:
    for field in fields(rule):
        value = getattr(rule, field.name)
        if isinstance(value, str) and field.name not in {"code", "name"}:
            assert value[-1] in ".…”:/" or value.endswith(("payments", "1m")), (field.name, value)
    assert rule.sources or rule.item is Item.ITSELF


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("select-star", ["RB301"]),
        ("rb301", ["RB301"]),
        ("RB2", ["RB201"]),
        ("RB50", ["RB501", "RB502", "RB503", "RB504"]),
        (" no-latency-alert ", ["RB401"]),
    ],
)
def test_rules_have_many_names(name: str, codes: list[str]) -> None:
    assert [rule.code for rule in catalogue.named(name)] == codes


@pytest.mark.parametrize("name", ["", "RB", "RB9", "RB3011", "star", "RB.*", "(", "select*"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(RoadbedError, match="is no rule"):
        catalogue.named(name)


def test_a_near_name_is_suggested() -> None:
    with pytest.raises(RoadbedError, match="Did you mean “select-star”"):
        catalogue.find("select-stars")


def test_rules_are_selected_in_the_catalogues_order() -> None:
    chosen = catalogue.select(["RB5,RB101", "select-star"], ["RB503"])
    assert [rule.code for rule in chosen] == ["RB101", "RB301", "RB501", "RB502", "RB504"]
    with pytest.raises(RoadbedError, match="No rule is left"):
        catalogue.select(["RB301"], ["select-star"])
