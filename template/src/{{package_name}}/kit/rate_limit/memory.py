"""Buckets in this process's memory."""

from collections import OrderedDict
from time import monotonic

from .policy import Decision, RateLimitPolicy

# About 20 MB. More clients than that in one period share a bucket, so that no flood of made-up
# ones makes the process forget a real one, or grow.
MOST = 100_000
_OTHERS = "others"


class MemoryStore:
    """Buckets by policy and key, in seconds of the monotonic clock: nobody sets it."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._full_at: OrderedDict[tuple[str, str], float] = OrderedDict()

    def __len__(self) -> int:
        """How many buckets are kept."""
        return len(self._full_at)

    def take(self, policy: RateLimitPolicy, key: str, cost: int = 1) -> Decision:
        """Take `cost` out of a bucket, if it holds that much."""
        now = monotonic()
        bucket = policy.name, key
        full_at = self._full_at.get(bucket)
        if full_at is None:
            if not self._has_room(now):
                bucket = policy.name, _OTHERS
            full_at = self._full_at.get(bucket, now)
        ahead = full_at - now if full_at > now else 0.0
        capacity = policy.capacity
        if ahead > capacity:
            ahead = capacity  # it was emptied under a policy that holds more
        after = ahead + cost * policy.interval
        if after > capacity:
            return Decision(policy, cost, False, ahead)
        self._full_at[bucket] = now + after
        return Decision(policy, cost, True, after)

    def _has_room(self, now: float) -> bool:
        """Drop two of the oldest buckets that are full, each time that a new one comes."""
        for _ in range(min(2, len(self._full_at))):
            bucket, full_at = self._full_at.popitem(last=False)
            if full_at > now:
                self._full_at[bucket] = full_at  # looked at again when all others were
        return len(self._full_at) < self._most
