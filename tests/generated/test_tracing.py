"""A service that sends traces, and a collector that gets them."""

from collections.abc import Callable, Mapping

from .cases import lay_over, run_cases
from .rendering import Service


def test_a_collector_sees_what_a_request_does(
    installed: Callable[..., Service], env: Mapping[str, str]
) -> None:
    service = installed(tracing=True)
    lay_over(service, "tracing")
    run_cases(service, "tracing", env)
