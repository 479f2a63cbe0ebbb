"""Outgoing HTTP: the only file that makes a client, so that every call to another service ends.

Each call has time-outs and, its retries included, a deadline. It is repeated only where twice is
once: GET, HEAD, OPTIONS, PUT, DELETE, and whatever carries an `Idempotency-Key`. It carries the
`X-Request-ID` of the request that makes it.

All callers share the client, so it keeps no cookies. Bodies are read whole, MAX_BYTES at most.
Redirects are followed on demand only; proxies and passwords of the environment are not used.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property, lru_cache
from http.cookiejar import DefaultCookiePolicy
from math import inf
from time import monotonic
from typing import Any, TypeAlias

import httpx2

from .circuit_breaker import CircuitBreaker, CircuitOpen
from .request_id import HEADER, request_id
from .settings import KitSettings

log = logging.getLogger(__name__)
logging.getLogger("httpx2").setLevel(logging.WARNING)  # below, it writes whole URLs, secrets too

ATTEMPTS = 3
BACKOFF = 0.2  # seconds at most before the second attempt; each further one doubles it
CONNECTIONS = 100
MAX_BYTES = 10 * 2**20
HOSTS = 1_000  # whose state is remembered

_REPEATABLE = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}
Network: TypeAlias = httpx2.AsyncBaseTransport

_BUSY = {429, 502, 503, 504}
_OUR_OWN = httpx2.PoolTimeout | httpx2.LocalProtocolError | httpx2.UnsupportedProtocol

_ends: ContextVar[float] = ContextVar("ends", default=inf)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Calls inside the block, their retries included, end after `seconds` at the latest."""
    token = _ends.set(min(_ends.get(), monotonic() + seconds))
    try:
        yield
    finally:
        _ends.reset(token)


def retry_after(response: httpx2.Response) -> float | None:
    """Seconds that the other side asks to wait (RFC 9110, 10.2.3), if it does so clearly."""
    value = response.headers.get("retry-after", "")
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


@dataclass
class Attempts:
    """What became of the attempts of this process, those that a circuit kept back included.

    `count` is by host and outcome (`2xx` to `5xx`, `cancelled`, or an error's name), `seconds`
    the sum by host. Hosts beyond the first HOSTS are `others`.
    """

    count: Counter[tuple[str, str]] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, host: str, outcome: str, seconds: float) -> None:
        """Count one attempt."""
        if host not in self.seconds and len(self.seconds) >= HOSTS:
            host = "others"
        self.count[host, outcome] += 1
        self.seconds[host] = self.seconds.get(host, 0.0) + seconds


class HttpClient(httpx2.AsyncClient):
    """The client of one process. It connects at its first call; `aclose()` ends it.

    Where the other side fails, `httpx2.HTTPError` is raised (for its 4xx and 5xx by
    `raise_for_status()`); a route that lets it through answers 502, 503 or 504. In a test,
    `transport=httpx2.MockTransport(handler)` takes the network's place.
    """

    def __init__(
        self, settings: KitSettings, transport: httpx2.AsyncBaseTransport | None = None
    ) -> None:
        self.attempts = Attempts()
        self._bounded = _Bounded(settings.http_total_seconds, transport, self.attempts)
        super().__init__(
            transport=self._bounded,
            trust_env=False,
            timeout=httpx2.Timeout(
                connect=settings.http_connect_seconds,
                read=settings.http_read_seconds,
                write=settings.http_write_seconds,
                pool=settings.http_pool_seconds,
            ),
        )
        self.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def around(self, wrap: Callable[[Network], Network]) -> None:
        """Have the network wrapped before the first call, by what is to see each attempt."""
        self._bounded.wrap = wrap


class _Response(httpx2.Response):
    def json(self, **options: Any) -> Any:  # noqa: ANN401
        """The body. Raises `DecodingError` where it is no JSON: that is the other side's fault."""
        try:
            return super().json(**options)
        except ValueError as error:
            raise httpx2.DecodingError("the answer is no JSON", request=self.request) from error


class _Bounded(httpx2.AsyncBaseTransport):
    """Under every method of the client: time-outs, deadline, retries, circuit breakers."""

    def __init__(
        self, total: float, transport: httpx2.AsyncBaseTransport | None, attempts: Attempts
    ) -> None:
        self._total = total
        self._attempts = attempts
        self._given = transport
        self._circuit = lru_cache(HOSTS)(CircuitBreaker)
        self.wrap: Callable[[Network], Network] | None = None

    @cached_property
    def _network(self) -> httpx2.AsyncBaseTransport:
        # Most servers close an idle connection after 5 s or more: this side does so first.
        limits = httpx2.Limits(max_connections=CONNECTIONS, keepalive_expiry=3)
        network = self._given or httpx2.AsyncHTTPTransport(limits=limits)
        return self.wrap(network) if self.wrap else network

    async def aclose(self) -> None:
        if "_network" in vars(self):
            await self._network.aclose()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if name := request_id.get():
            request.headers.setdefault(HEADER, name)
        network = self._network  # the first time, this takes a while
        ends = min(_ends.get(), monotonic() + self._total)
        repeatable = request.method in _REPEATABLE or "idempotency-key" in request.headers
        left = ATTEMPTS if repeatable and isinstance(request.stream, httpx2.ByteStream) else 1
        longest = BACKOFF
        while True:
            left -= 1
            pause = random.uniform(0, longest)  # noqa: S311 full jitter
            longest *= 2
            try:
                response = await self._counted(network, request, ends)
            except CircuitOpen:
                raise
            except httpx2.RequestError as error:
                log.warning("%s %s: %s", request.method, request.url.host, type(error).__name__)
                if left == 0 or monotonic() + pause >= ends:
                    raise
            else:
                wait = _wait_for(response)
                if wait is None or left == 0 or monotonic() + wait + pause >= ends:
                    return response
                pause += wait
            await asyncio.sleep(pause)

    async def _counted(
        self, network: httpx2.AsyncBaseTransport, request: httpx2.Request, ends: float
    ) -> httpx2.Response:
        began, outcome = monotonic(), "cancelled"
        try:
            response = await self._attempt(network, request, ends)
            outcome = f"{response.status_code // 100}xx"
        except httpx2.RequestError as error:
            outcome = type(error).__name__
            raise
        else:
            return response
        finally:
            self._attempts.add(request.url.host, outcome, monotonic() - began)

    async def _attempt(
        self, network: httpx2.AsyncBaseTransport, request: httpx2.Request, ends: float
    ) -> httpx2.Response:
        left = ends - monotonic()
        if left <= 0:
            raise httpx2.PoolTimeout("no time was left to call")
        # A caller may ask for longer time-outs than the settings', but not beyond the deadline.
        limits = request.extensions["timeout"]
        request.extensions["timeout"] = {name: min(limits[name] or left, left) for name in limits}
        circuit = self._circuit(request.url.netloc.decode())
        state = circuit.enter()
        try:
            async with asyncio.timeout(left):
                response = await _whole(await network.handle_async_request(request))
        except TimeoutError as error:
            circuit.leave(state, failed=True)
            raise httpx2.ReadTimeout("no answer before the deadline") from error
        except httpx2.RequestError as error:
            if not isinstance(error, _OUR_OWN):
                circuit.leave(state, failed=True)
            raise
        circuit.leave(state, failed=response.status_code >= 500)
        return response


async def _whole(answer: httpx2.Response) -> _Response:
    """The answer with its body, decoded."""
    body = bytearray()
    try:
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > MAX_BYTES:
                raise httpx2.RemoteProtocolError(f"the body is larger than {MAX_BYTES} bytes")
    finally:
        await answer.aclose()
    headers = answer.headers.copy()
    if headers.pop("content-encoding", None):
        headers.pop("content-length", None)
    return _Response(
        answer.status_code, headers=headers, content=bytes(body), extensions=answer.extensions
    )


def _wait_for(response: httpx2.Response) -> float | None:
    """Seconds to wait before a busy host may be asked again; None: this is the answer."""
    wait = retry_after(response)
    # 409 with a time: the first attempt, whose answer was lost, is still running over there.
    if response.status_code in _BUSY or (response.status_code == 409 and wait is not None):
        return wait or 0
    return None
