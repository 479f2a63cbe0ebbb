"""Both gates of one process: by address before anybody is looked up, by caller after it."""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from math import inf
from time import monotonic

from starlette.types import Scope

from ..errors import Problem, retry
from ..headers import header
from ..settings import KitSettings
from .address import address
from .memory import MemoryStore
from .policy import Decision, RateLimitPolicy
from .shared import LEFT_ALONE_SECONDS, SharedStore, StoreDown
from .stores import shared_store

log = logging.getLogger(__name__)

MOST_REFUSALS = 10_000
WARN_SECONDS = 60.0

# How a request went, for `RateLimiter.outcomes`.
ALLOWED, REFUSED = "allowed", "refused"
DEGRADED = "degraded"  # allowed by the process alone, since the store did not answer
CLOSED = "closed"  # refused, since the store did not answer


class RateLimiter:
    """The limits of one process. `outcomes` counts requests by policy and how they went."""

    def __init__(self, settings: KitSettings, service: str) -> None:
        self.enabled = settings.rate_limit_enabled
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self._by_address = RateLimitPolicy("address", settings.rate_limit_address)
        self._default = RateLimitPolicy("default", settings.rate_limit_caller)
        self._addresses, self._callers = MemoryStore(), MemoryStore()
        self._shared: SharedStore | None = None
        # Who was refused, and until when: asking again meanwhile costs no look-up.
        self._refused: dict[int, tuple[float, Decision]] = {}
        self._warned = -inf
        if self.enabled and (store := shared_store(settings, service)):
            self._shared = SharedStore(
                store,
                budget=settings.rate_limit_store_seconds,
                processes=settings.processes,
            )

    @property
    def is_degraded(self) -> bool:
        """Whether this process limits by itself now, since the store does not answer."""
        return self._shared is not None and self._shared.is_down

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Connected to its store."""
        if not self.enabled:
            log.warning("rate limits: RATE_LIMIT_ENABLED is off, so there are none")
        if self._shared is None:
            yield
            return
        await self._shared.open()
        try:
            yield
        finally:
            await self._shared.close()

    def admit_address(self, scope: Scope) -> Decision:
        """Count a request against its address."""
        decision = self._addresses.take(self._by_address, address(scope))
        if decision.allowed:
            self.outcomes["address", ALLOWED] += 1
        else:
            self.outcomes["address", REFUSED] += 1
            self._warn(scope)
        return decision

    def recall(self, scope: Scope, credentials: str) -> None:
        """Raise the problem again that whoever sends these credentials was told moments ago."""
        if self._refused:
            policy, cost = self._limit_of(scope)
            self._raise_again(scope, _mark(policy, cost, credentials))

    async def admit(self, scope: Scope, caller: str, credentials: str = "") -> None:
        """Count a request against its route's policy; raises the problem if it is one too many."""
        if not self.enabled:
            return
        policy, cost = self._limit_of(scope)
        if self._refused:
            self._raise_again(scope, _mark(policy, cost, caller))
        if self._shared is None:
            decision, exact = self._callers.take(policy, caller, cost), True
        else:
            try:
                decision, exact = await self._shared.take(policy, caller, cost)
            except StoreDown:
                self.outcomes[policy.name, CLOSED] += 1
                raise retry("rate-limit-unavailable", after=int(LEFT_ALONE_SECONDS)) from None
        if decision.allowed:
            self.outcomes[policy.name, ALLOWED if exact else DEGRADED] += 1
            scope["state"]["rate_limit"] = decision
            return
        if exact:  # a store that is back may be more generous than this process's share
            marks = (_mark(policy, cost, name) for name in (caller, credentials) if name)
            self._remember(marks, decision)
        self._refuse(scope, decision)

    def _limit_of(self, scope: Scope) -> tuple[RateLimitPolicy, int]:
        """The policy and the cost of a route: of its template, whatever is in its path."""
        policy, cost = getattr(scope.get("endpoint"), "rate_limit", (None, 1))
        return policy or self._default, cost

    def _remember(self, marks: Iterable[int], decision: Decision) -> None:
        if len(self._refused) >= MOST_REFUSALS:
            self._refused.clear()  # they are asked about again, which is right, only not free
        self._refused.update(dict.fromkeys(marks, (monotonic() + decision.wait, decision)))

    def _raise_again(self, scope: Scope, mark: int) -> None:
        until, decision = self._refused.get(mark, (0.0, None))
        if decision is None:
            return
        wait = until - monotonic()
        if wait <= 0:
            self._refused.pop(mark)
            return
        passed = decision.wait - wait
        self._refuse(scope, replace(decision, ahead=max(0.0, decision.ahead - passed)))

    def _refuse(self, scope: Scope, decision: Decision) -> None:
        self.outcomes[decision.policy.name, REFUSED] += 1
        scope["state"]["rate_limit"] = decision
        raise problem(decision)

    def _warn(self, scope: Scope) -> None:
        """Say whom the first gate refuses, now and then: it may be a proxy with all its clients."""
        if monotonic() - self._warned < WARN_SECONDS:
            return
        self._warned = monotonic()
        hint = ""
        if header(scope, b"x-forwarded-for"):
            hint = "; it forwards for others, and FORWARDED_ALLOW_IPS does not name it"
        log.warning("rate limits: too many requests from %s%s", address(scope), hint)


def problem(decision: Decision) -> Problem:
    """What a refused client is told."""
    name = decision.policy.name
    return Problem(
        "too-many-requests",
        f"the policy {name} allows {decision.policy.limit} in {decision.policy.seconds} s",
        headers={"Retry-After": str(decision.retry_after)},
        members={"violated-policies": [name]},
    )


def _mark(policy: RateLimitPolicy, cost: int, name: str) -> int:
    """A caller or credentials in the list of the refused, which keeps no secret.

    Python's own hash, under a key of this process: nobody can find another's.
    """
    return hash((policy.name, cost, name))
