"""A service whose calls meet another one that hangs, drops, answers late, garbage or never."""

from collections.abc import Callable, Mapping

from .cases import lay_over, run_cases
from .rendering import Service


def test_calls_end_and_are_made_once(
    installed: Callable[..., Service], env: Mapping[str, str]
) -> None:
    service = installed()
    lay_over(service, "outgoing")
    run_cases(service, "outgoing", env)
