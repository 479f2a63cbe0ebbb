"""A host that fails is left alone for a while: a circuit breaker (Nygard, "Release It!").

Neither a caller nor the host waits for one that can't answer, and one call at a time finds out
whether it is back.
"""

import logging
from collections import deque
from math import ceil
from time import monotonic

import httpx2

log = logging.getLogger(__name__)

# It opens when this many, and at least half, of the last calls failed.
RECENT, FAILURES = 20, 5
OPEN_SECONDS = 10.0


class CircuitOpen(httpx2.TransportError):
    """The host has failed too often: it was not called. It may be in `after` seconds."""

    def __init__(self, after: float) -> None:
        super().__init__(f"not called, since it failed too often: {ceil(after)} s to go")
        self.after = after


class CircuitBreaker:
    """Whether one host may be called. A call from before a change of state has no say after it."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._failed: deque[bool] = deque(maxlen=RECENT)
        self._open_until = 0.0
        self._state = 0

    def enter(self) -> int:
        """Permission for one call, to be given back to `leave`. Raises `CircuitOpen`."""
        left = self._open_until - monotonic()
        if left > 0:
            raise CircuitOpen(left)
        if self._open_until:
            self._open()  # for all but this call; one that never ends keeps nobody out for long
        return self._state

    def leave(self, state: int, *, failed: bool) -> None:
        """How the call went. A call that was cancelled, and says nothing of the host, has none."""
        if state != self._state:
            return
        self._failed.append(failed)
        failures, trying = sum(self._failed), self._open_until > 0
        if failed and (trying or (failures >= FAILURES and 2 * failures >= len(self._failed))):
            log.warning("%s fails: it is left alone for %.0f s", self._host, OPEN_SECONDS)
            self._open()
        elif trying:
            log.warning("%s answers again", self._host)
            self._failed.clear()
            self._open_until = 0.0

    def _open(self) -> None:
        self._state += 1
        self._open_until = monotonic() + OPEN_SECONDS
