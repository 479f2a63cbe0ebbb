"""What a change log says of the versions between two."""

from __future__ import annotations

import re

_SECTION = re.compile(r"^## +(.+?) *$", re.MULTILINE)
_BLOCK = re.compile(r"(?:\n[ \t]*\n|\n(?=[-*] ))")


def between(old: str, new: str) -> str:
    """What the change log `new` says that `old` did not: its sections, each under its name.

    By what they say and not by their names, so that it works for versions without a release too.
    """
    known = {_plain(block) for _, text in _sections(old) for block in _blocks(text)}
    told = []
    for name, text in _sections(new):
        blocks = [block for block in _blocks(text) if _plain(block) not in known]
        if blocks:
            told.append(f"{name}\n" + "\n".join(blocks))
    return "\n\n".join(told)


def _sections(text: str) -> list[tuple[str, str]]:
    _, *parts = _SECTION.split(text.replace("\r\n", "\n"))
    return list(zip(parts[::2], parts[1::2], strict=True))


def _blocks(text: str) -> list[str]:
    return [block.strip("\n") for block in _BLOCK.split(text) if block.strip()]


def _plain(block: str) -> str:
    return " ".join(block.split())
