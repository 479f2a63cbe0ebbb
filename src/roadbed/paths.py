"""What a user calls a folder, as the place where it is."""

from __future__ import annotations

import os
from pathlib import Path


def real(path: Path | str) -> Path:
    """The place itself: links followed, `~` the user's home; the home of nobody is a name like others."""
    # pathlib's way raises where there is no such user.
    return Path(os.path.realpath(os.path.expanduser(path)))  # noqa: PTH111
