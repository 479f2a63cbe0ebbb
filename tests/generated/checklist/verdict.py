"""What the checklist has to say of a service as it was rendered."""

from pathlib import Path

import pytest
from checked import TODAY

from roadbed.checklist import catalogue, checking, configuration
from roadbed.checklist.evidence import State

from ..rendering import Service  # noqa: TID252 - of the tests above

# A part of a service, and the rules that can't verify anything without it.
NEEDED = {
    "openapi/v1.json": {
        "unbounded-list-response",
        "mutation-not-idempotent",
        "unversioned-route",
        "public-integer-id",
        "openapi-drift",
    },
    "ops/alerts.yml": {"no-latency-alert"},
}


def check(folder: Path) -> checking.Report:
    """All rules, on the day of the tests, without other programs, which answer for themselves."""
    rules = list(catalogue.RULES)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PATH", "")
        return checking.check(folder, rules, configuration.read(folder), TODAY)


def expected(service: Service) -> dict[State, set[str]]:
    """A part that the template does not have can't be verified, and people are not rendered."""
    real = service.answers["paging"].startswith("https://")
    owned = real and (service.folder / ".github/CODEOWNERS").exists()
    kept = {"unowned-module": owned, "nobody-to-page": real}
    lacking = {part for part in NEEDED if not (service.folder / part).exists()}
    return {
        State.FAIL: {rule for rule, holds in kept.items() if not holds},
        State.UNKNOWN: {rule for part in lacking for rule in NEEDED[part]},
        State.WARN: set(),
    }


def found(service: Service) -> dict[State, set[str]]:
    """The rules that are not kept."""
    results = check(service.folder).results
    states = (State.FAIL, State.UNKNOWN, State.WARN)
    return {state: {each.rule.name for each in results if each.state is state} for state in states}
