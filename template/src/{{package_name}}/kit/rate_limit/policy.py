"""How often something may be done, and how a request stands against that.

GCRA, the generic cell rate algorithm (ITU-T I.371), is a bucket that refills all the time: `burst`
requests at once, then one each `seconds / limit`. A bucket is a single number, how far `ahead` of
its rate it is, in seconds: 0 when it is full, and each request adds the time that it takes to
refill. There is no window, and so no edge of one where twice the limit passes.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from math import ceil
from typing import Any, TypeVar

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
RawHeader = tuple[bytes, bytes]

# What every answer carries: the usual three, and those of draft-ietf-httpapi-ratelimit-headers-10.
HEADERS = {
    "X-RateLimit-Limit": "requests in the policy's time",
    "X-RateLimit-Remaining": "requests that are left now",
    "X-RateLimit-Reset": "when there will be more, in seconds since 1970 (UTC)",
    "RateLimit": "the policy, requests that are left (r), seconds until there will be more (t)",
    "RateLimit-Policy": "the policy, its requests (q) in its seconds (w)",
}

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True)
class RateLimitPolicy:
    """`limit` requests in `seconds`; the routes of one policy share one bucket a caller.

    At most `burst` at once (default: `limit`). `fail_closed` refuses everybody while the store
    does not answer, for what must not be tried often: codes, passwords.
    """

    name: str
    limit: int
    seconds: int = 60
    burst: int | None = None
    fail_closed: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for what limits nothing."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a policy's name is lower-case words and hyphens, not {self.name!r}")
        if min(self.limit, self.seconds, self.size) < 1:
            raise ValueError(f"the policy {self.name}: limit, seconds and burst start at 1")

    @cached_property
    def size(self) -> int:
        """Requests in a full bucket."""
        return self.limit if self.burst is None else self.burst

    @cached_property
    def interval(self) -> float:
        """Seconds in which one request is refilled."""
        return self.seconds / self.limit

    @cached_property
    def capacity(self) -> float:
        """Seconds that a bucket may be ahead; the thousandth is for what arithmetic rounds off."""
        return (self.size + 0.001) * self.interval

    @cache  # noqa: B019 a policy lives as long as the process
    def divided(self, processes: int) -> "RateLimitPolicy":
        """One process's share of it, which is at least one request."""
        limit, burst = max(1, self.limit // processes), max(1, self.size // processes)
        return RateLimitPolicy(self.name, limit, self.seconds, burst, self.fail_closed)

    @cached_property
    def fixed_headers(self) -> tuple[RawHeader, RawHeader, bytes]:
        """Those of its headers that are always the same, and its name in the other one."""
        name = b'"%s"' % self.name.encode()
        return (
            (b"x-ratelimit-limit", b"%d" % self.limit),
            (b"ratelimit-policy", b"%s;q=%d;w=%d" % (name, self.limit, self.seconds)),
            name,
        )


@dataclass(slots=True)
class Decision:
    """Whether a request that costs `cost` may go on, and how far `ahead` its bucket is then."""

    policy: RateLimitPolicy
    cost: int
    allowed: bool
    ahead: float

    @property
    def remaining(self) -> int:
        """Requests that are left."""
        policy = self.policy
        return int((policy.capacity - self.ahead) / policy.interval)

    @property
    def wait(self) -> float:
        """Seconds until there are more, or enough for what was refused."""
        return self._wait(self.remaining)

    def _wait(self, remaining: int) -> float:
        policy = self.policy
        if self.cost > policy.size:
            return policy.seconds  # there is nothing to wait for
        wanted = remaining + 1 if self.allowed else self.cost
        return wanted * policy.interval - policy.capacity + self.ahead

    @property
    def retry_after(self) -> int:
        """Whole seconds to wait; whoever does is let through, unless another was faster."""
        return max(1, ceil(self.wait))

    def headers(self) -> tuple[RawHeader, ...]:
        """What the answer carries."""
        remaining = self.remaining
        wait = self._wait(remaining)
        limit, named, name = self.policy.fixed_headers
        return (
            limit,
            named,
            (b"x-ratelimit-remaining", b"%d" % remaining),
            (b"x-ratelimit-reset", b"%d" % ceil(time.time() + wait)),
            (b"ratelimit", b"%s;r=%d;t=%d" % (name, remaining, max(1, ceil(wait)))),
        )


def limited_by(
    policy: RateLimitPolicy | None = None, *, cost: int = 1
) -> Callable[[Endpoint], Endpoint]:
    """Mark an endpoint: its requests count against `policy` (None: the default), `cost` each."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.rate_limit = policy, cost  # type: ignore[attr-defined]
        return endpoint

    return mark
