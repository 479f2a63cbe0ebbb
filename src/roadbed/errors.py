"""The errors that a user can cause, and how they are told.

Every one is two sentences: what happened and where, then what to do next. The command line
prints them without a traceback and exits with `exit_code`.
"""

from __future__ import annotations


class RoadbedError(Exception):
    """Something that the user can mend: nothing was written.

    Attributes:
        what: one sentence on what happened, and where.
        advice: one sentence on what to do next.
        exit_code: 2, since usage or environment is at fault.
    """

    exit_code = 2

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(f"{what} {advice}")
        self.what = what
        self.advice = advice
