"""The combinations that every other test runs with are enough, and no more than needed."""

from pathlib import Path

from .answers import all_pairs, choices, combinations, factors, pairs, questions


def test_every_pair_of_values_is_rendered_at_least_once(template: Path) -> None:
    covered = {pair for row in combinations(template) for pair in pairs(row.labels)}
    assert covered == all_pairs(factors(template))


def test_every_question_is_varied_and_every_choice_taken(template: Path) -> None:
    given: dict[str, set[str | bool | None]] = {name: set() for name in questions(template)}
    for row in combinations(template):
        for name, answers in given.items():
            answers.add(row.answers.get(name))
    assert all(len(answers) > 1 for answers in given.values()), given
    for name, question in questions(template).items():
        if "choices" in question:
            assert given[name] == set(choices(template, name))


def test_the_first_combination_is_the_default_and_the_second_shares_nothing_with_it(
    template: Path,
) -> None:
    default, different, *_ = combinations(template)
    assert default.answers == {
        "service_name": "orders",
        "ownership": "account",
        "public_ids": "v4",
        "deployment": "kubernetes",
    }
    assert not default.labels.items() & different.labels.items()
