"""A service with an outbox: nothing is lost, whoever is killed, and nothing is told too early."""

from collections.abc import Callable, Mapping

import pytest

from .cases import lay_over, run_cases
from .machine import run
from .rendering import Service


@pytest.fixture(scope="module")
def telling(installed: Callable[..., Service]) -> Service:
    """An installed service that has an outbox."""
    return installed(outbox=True)


def test_its_own_checks_and_tests_pass(telling: Service, env: Mapping[str, str]) -> None:
    run("make", "--silent", "migrate", "check", "test", cwd=telling.folder, env=env)


def test_no_message_is_lost(telling: Service, env: Mapping[str, str]) -> None:
    lay_over(telling, "outbox", "outgoing/provider.py")
    run_cases(telling, "outbox", env)
