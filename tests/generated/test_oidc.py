"""A service whose callers come with tokens of a provider, against a hostile list of them."""

from collections.abc import Callable, Mapping

from .cases import lay_over, run_cases
from .rendering import Service


def test_hostile_tokens_open_nothing(
    installed: Callable[..., Service], env: Mapping[str, str]
) -> None:
    service = installed(oidc=True)
    lay_over(service, "oidc")
    run_cases(service, "oidc", env)
