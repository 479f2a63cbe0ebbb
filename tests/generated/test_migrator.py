"""How migrations reach a database that others use."""

from collections.abc import Callable, Mapping

from .cases import lay_over, run_cases
from .rendering import Service


def test_the_cases_hold(installed: Callable[..., Service], env: Mapping[str, str]) -> None:
    service = installed()
    lay_over(service, "migrator")
    run_cases(service, "migrator", env)
