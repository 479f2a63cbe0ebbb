"""What the idempotency keys of a service promise, against crashes, crowds and careless handlers."""

from collections.abc import Callable, Mapping

from .cases import lay_over, run_cases
from .rendering import Service


def test_every_case_of_idempotency(
    installed: Callable[..., Service], env: Mapping[str, str]
) -> None:
    service = installed()
    lay_over(service, "idempotency")
    run_cases(service, "idempotency", env)
