"""What verbs understand of their arguments alike."""

from __future__ import annotations

import sys

from roadbed.errors import RoadbedError


def answered(data: list[str]) -> dict[str, str]:
    """The answers in `-d question=answer`.

    Raises:
        RoadbedError: one has no question or no “=”.
    """
    answers = {}
    for pair in data:
        key, equals, answer = pair.partition("=")
        if not (key and equals):
            raise RoadbedError(
                f"“-d {pair}” is no answer.", "Write it as -d question=answer, such as -d team=web."
            )
        answers[key] = answer
    return answers


def may_ask() -> bool:
    """Whether somebody sits at a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()
