"""Nouns that name a resource: singular, since the table and the URL take the plural."""

from __future__ import annotations

import re

from roadbed.errors import RoadbedError

# Singular nouns that end like plurals, beside those in -ss, -us, -is.
_SINGULAR = frozenset(
    {"alias", "atlas", "bias", "canvas", "chaos", "gas", "lens", "news", "series", "species"}
)


def require_singular(noun: str) -> None:
    """Make sure that a noun does not look like a plural.

    Raises:
        RoadbedError: it does.
    """
    if noun.endswith("s") and not noun.endswith(("ss", "us", "is")) and noun not in _SINGULAR:
        singular = re.sub(r"(?<=[^aeiou])ies$", "y", noun)
        singular = singular if singular != noun else noun.removesuffix("s")
        raise RoadbedError(
            f"“{noun}” looks like a plural.", f"Give the singular: {singular}, perhaps."
        )
