"""A service whose callers come with tokens of a provider, against a hostile list of them."""

from collections.abc import Callable, Mapping

import pytest

from .cases import lay_over, run_cases
from .machine import run
from .rendering import Service


@pytest.fixture(scope="module")
def trusting(installed: Callable[..., Service]) -> Service:
    """An installed service that can trust a provider."""
    return installed(oidc=True)


def test_its_own_checks_and_tests_pass(trusting: Service, env: Mapping[str, str]) -> None:
    run("make", "--silent", "check", "test", cwd=trusting.folder, env=env)


def test_hostile_tokens_open_nothing(trusting: Service, env: Mapping[str, str]) -> None:
    lay_over(trusting, "oidc")
    run_cases(trusting, "oidc", env)
