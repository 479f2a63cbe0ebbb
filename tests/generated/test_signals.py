"""What a running service tells its operator, and how it starts and ends, with real processes."""

from collections.abc import Callable, Mapping

from .cases import lay_over, run_cases
from .machine import run
from .rendering import Service


def test_an_operator_sees_what_happens(
    installed: Callable[..., Service], env: Mapping[str, str]
) -> None:
    service = installed()
    lay_over(service, "signals")
    run("uv", "pip", "install", "--quiet", "rich", cwd=service.folder, env=env)
    run_cases(service, "signals", env)
