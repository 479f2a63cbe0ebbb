"""What must not be in a repository, and ends up in incidents: tokens, and people's addresses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Formats that their issuers document, so that a false alarm is rare at three in the morning.
_SHAPES = {
    "a key of a service": r"\bkey_[0-9a-f]{12}_[\w-]{20}",
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "an AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a GitHub token": r"\b(?:gh[opsur]_[A-Za-z0-9]{36}|github_pat_\w{22})",
    "a GitLab token": r"\bglpat-[\w-]{20}",
    "a Slack token": r"\bxox[abeoprs]-[\w-]{10}|hooks\.slack\.com/services/T\w+/B\w+/\w{8}",
    "a Stripe key": r"\b[rs]k_(?:live|test)_\w{10}",
    "a Google API key": r"\bAIza[\w-]{35}",
    "a JSON web token": r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.",
    "a bearer token": r"(?i:\bbearer) +(?=[\w.~+/-]*[0-9])[\w.~+/-]{20}",
    "a password in an address": r"\w://[^\s/:@]*:(?![$*<{…])[^\s/@]+@",
    "a password or key": (
        r"(?i:\b\w*(?:passw(?:or)?d|secret|token|api_?key|pepper))[\"']? *[=:] *[\"']?"
        r"(?=[\w+/-]*[0-9])(?=[\w+/-]*[A-Za-z])[\w+/-]{12}"
    ),
    "an e-mail address": r"\b[\w.+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}\b",
}
_ANY = {name: re.compile(shape) for name, shape in _SHAPES.items()}


def leaks(text: str) -> Iterator[str]:
    """The names of what `text` seems to give away, with their articles."""
    for name, shape in _ANY.items():
        if shape.search(text):
            yield name
            return
