"""What the idempotency keys of a service promise, against crashes, crowds and careless handlers."""

from collections.abc import Callable, Mapping

from .cases import lay_over, run_cases
from .rendering import Service


def test_every_case_of_idempotency(
    installed: Callable[..., Service], env: Mapping[str, str]
) -> None:
    service = installed()
    lay_over(service, "idempotency")
    # Crowds call as one caller, and round trips are counted: `limits/` has what both do together.
    run_cases(service, "idempotency", {**env, "RATE_LIMIT_ENABLED": "false"})
