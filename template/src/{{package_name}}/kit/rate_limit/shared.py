"""A store that all processes share, and what stands in for it while it does not answer.

A store that fails, or takes longer than its budget, is left alone for a while. Meanwhile each
process limits by itself, to its share, so that nobody is let in without limit and nobody waits.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Protocol

from .memory import MemoryStore
from .policy import Decision, RateLimitPolicy

log = logging.getLogger(__name__)

OPEN_SECONDS = 2.0
LEFT_ALONE_SECONDS = 5.0

# What a store is tried with: all that a request needs has to work, for each connection.
PROBE = RateLimitPolicy("probe", 1_000_000, seconds=1)

# A timer that comes later than this by itself says that the process is busy, not the store slow.
_BUSY_SECONDS = 0.01
_MOST_BUDGETS = 20


class Store(Protocol):
    """Where buckets are kept, and how many requests at a time it is asked about."""

    connections: int

    async def open(self) -> None:
        """Connect, anew if need be, and try each connection with `PROBE`.

        It makes all the connections that there may be: later, one would cost a request its budget.
        """

    async def take(self, policy: RateLimitPolicy, key: str, cost: int, /) -> tuple[bool, float]:
        """Take `cost` out of a bucket, in one atomic step and by the store's own clock.

        Returns whether it held that much, and how many seconds ahead of its rate it is now.
        """

    async def close(self) -> None:
        """Disconnect."""


class StoreDown(Exception):
    """The store does not answer, and the policy lets nobody through without it."""


class SharedStore:
    """A store behind a breaker."""

    def __init__(self, store: Store, *, budget: float, processes: int) -> None:
        self._store = store
        self._budget = budget
        self._processes = processes
        self._own = MemoryStore()
        self._turns = asyncio.Semaphore(store.connections)
        self._recovery: asyncio.Task[None] | None = None

    @property
    def is_down(self) -> bool:
        """Whether the store is left alone now."""
        return self._recovery is not None

    async def open(self) -> None:
        """Connect; a service whose store is down starts all the same."""
        try:
            await asyncio.wait_for(self._store.open(), OPEN_SECONDS)
        except Exception as error:
            self._leave_alone(error)

    async def take(self, policy: RateLimitPolicy, key: str, cost: int) -> tuple[Decision, bool]:
        """Take `cost` out of a bucket; also returns whether the store itself decided.

        Raises `StoreDown` where nothing may stand in for it.
        """
        if not self.is_down:
            async with self._turns:
                decision = await self._ask(policy, key, cost)
            if decision is not None:
                return decision, True
        if policy.fail_closed:
            raise StoreDown
        return self._own.take(policy.divided(self._processes), key, cost), False

    async def _ask(self, policy: RateLimitPolicy, key: str, cost: int) -> Decision | None:
        """What the store decides; None if it does not, or has failed while others were asking."""
        if self.is_down:
            return None
        try:
            async with asyncio.timeout(None) as timeout:
                patience = _Patience(timeout, self._budget)
                try:
                    allowed, ahead = await self._store.take(policy, key, cost)
                finally:
                    patience.end()
        except Exception as error:
            self._leave_alone(error)
            return None
        return Decision(policy, cost, allowed, ahead)

    async def close(self) -> None:
        """Disconnect."""
        if self._recovery is not None:
            self._recovery.cancel()
            with suppress(asyncio.CancelledError):
                await self._recovery
        await self._store.close()

    def _leave_alone(self, error: Exception) -> None:
        if self._recovery is None:
            log.warning(
                "rate limits: the store does not answer (%s), so each process grants 1/%d of them",
                type(error).__name__,
                self._processes,
            )
            self._recovery = asyncio.create_task(self._recover())

    async def _recover(self) -> None:
        """Try again, at nobody's expense, until it answers."""
        while True:
            await asyncio.sleep(LEFT_ALONE_SECONDS)
            with suppress(Exception):
                await asyncio.wait_for(self._store.open(), OPEN_SECONDS)
                break
        log.warning("rate limits: the store answers again")
        self._recovery = None


class _Patience:
    """Ends a wait after `budget` seconds, in which this process was not busy with others.

    What answers in a millisecond may lie unread for a hundred: that is no fault of the store.
    """

    def __init__(self, timeout: asyncio.Timeout, budget: float) -> None:
        self._timeout = timeout
        self._budget = budget
        self._loop = asyncio.get_running_loop()
        self._latest = self._loop.time() + _MOST_BUDGETS * budget
        self._arm()

    def _arm(self) -> None:
        self._due = self._loop.time() + self._budget
        self._timer = self._loop.call_at(self._due, self._check)

    def _check(self) -> None:
        now = self._loop.time()
        if self._due + _BUSY_SECONDS < now < self._latest:
            self._arm()
        else:
            self._timeout.reschedule(now)

    def end(self) -> None:
        """The wait is over."""
        self._timer.cancel()
