"""Rate limits: two gates that every request passes, and the answer's headers say how it stands.

The first is by address, before anybody is looked up, and in this process's memory: a flood reaches
no database. The second is by caller, in the store that RATE_LIMIT_STORE names, which all processes
share. Both are the same algorithm, GCRA (`policy.py`).
"""

from .limiter import RateLimiter
from .middleware import RateLimitMiddleware
from .policy import HEADERS, RateLimitPolicy, limited_by

__all__ = ["HEADERS", "RateLimitMiddleware", "RateLimitPolicy", "RateLimiter", "limited_by"]
