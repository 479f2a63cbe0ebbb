"""A service with an outbox: nothing is lost, whoever is killed, and nothing is told too early."""

from collections.abc import Callable, Mapping

from .cases import lay_over, run_cases
from .rendering import Service


def test_no_message_is_lost(installed: Callable[..., Service], env: Mapping[str, str]) -> None:
    service = installed(outbox=True)
    lay_over(service, "outbox", "outgoing/provider.py")
    run_cases(service, "outbox", env)
