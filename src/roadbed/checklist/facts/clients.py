"""What outgoing clients do when nobody tells them how long to wait.

Read from the libraries' own source or documents, in the versions that the comments name. A client
whose default is a limit of its own is no failure; one that waits for minutes is worth a warning.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Default(StrEnum):
    """What happens without an explicit limit."""

    FOREVER = "waits for ever"
    LONG = "waits for minutes"
    BOUNDED = "has a limit of its own"
    UNKNOWN = "depends on the version, which is not known"


@dataclass(frozen=True)
class Client:
    """A function that calls out, or a class whose objects do.

    Attributes:
        arguments: those that bound it, with their position (from 0) where they have one; one of
            them is enough unless `all_of`.
        default: without them.
        note: what the default is, in words.
        bounded_since: the first release, as (package, major), whose default is a limit.
        per_call: the objects' methods that need the arguments at every call; none when the
            constructor bounds the object.
        methods: the objects' methods whose explicit `timeout=None` takes the limit away.
        carries: other arguments that bring limits with them, unseen: a pool, a session, a channel.
        url: the position of an address that may name limits (`?socket_timeout=5`).
        all_of: each of the arguments is needed.
        by_socket: `socket.setdefaulttimeout` is its default.
    """

    arguments: dict[str, int | None] = field(default_factory=lambda: {"timeout": None})
    default: Default = Default.FOREVER
    note: str = ""
    bounded_since: tuple[str, int] | None = None
    per_call: frozenset[str] = frozenset()
    methods: frozenset[str] = frozenset()
    carries: frozenset[str] = frozenset()
    url: int | None = None
    all_of: bool = False
    by_socket: bool = False


_VERBS = frozenset({"get", "options", "head", "post", "put", "patch", "delete", "request"})
_HTTPX = Client(default=Default.BOUNDED, note="5 s each way", methods=_VERBS | {"stream", "send"})
_HTTPX_CALL = Client(default=Default.BOUNDED, note="5 s each way")
_SESSION = Client(per_call=_VERBS, note="requests has no default")
_REDIS = Client(
    {"socket_timeout": None, "socket_connect_timeout": None},
    bounded_since=("redis", 8),  # 8.0.0: 5 s for both; None before
    note="before redis-py 8 there was no default",
    carries=frozenset({"connection_pool"}),
    all_of=True,
)
_REDIS_URL = Client(
    _REDIS.arguments,
    bounded_since=_REDIS.bounded_since,
    note=_REDIS.note,
    carries=_REDIS.carries,
    url=0,
    all_of=True,
)
_OPENAI = Client(default=Default.LONG, note="600 s to read", methods=frozenset({"create", "parse"}))
_BOTO = Client({"config": None}, Default.LONG, "60 s to connect and 60 s to read, with retries")
_ASYNCPG = Client(
    {"command_timeout": None, "timeout": None}, Default.LONG, "60 s to connect, a command for ever"
)
_SMTP = Client({"timeout": 3}, by_socket=True, note="smtplib has no default")
_SMTP_SSL = Client({"timeout": 5}, by_socket=True, note="smtplib has no default")
_HTTP = Client({"timeout": 2}, by_socket=True, note="http.client has no default")
_MYSQL = Client({"read_timeout": None}, Default.LONG, "10 s to connect, a read for ever")
_URLLIB3 = Client(
    {"timeout": None}, per_call=frozenset({"request", "urlopen", "request_encode_url"}),
    note="urllib3 has no default",
)  # fmt: skip

CLIENTS: dict[str, Client] = {
    **{f"requests.{verb}": Client(note="requests has no default") for verb in _VERBS},
    "requests.Session": _SESSION,
    "requests.session": _SESSION,
    "requests.sessions.Session": _SESSION,
    **{
        f"{name}.{verb}": _HTTPX_CALL
        for name in ("httpx", "httpx2")
        for verb in (*_VERBS, "stream")
    },
    **{
        f"{name}.{kind}": _HTTPX
        for name in ("httpx", "httpx2")
        for kind in ("Client", "AsyncClient")
    },
    "aiohttp.ClientSession": Client(
        default=Default.LONG, note="300 s in all", methods=_VERBS | {"ws_connect"}
    ),
    "aiohttp.request": Client(default=Default.LONG, note="300 s in all"),
    "urllib.request.urlopen": Client({"timeout": 2}, by_socket=True, note="urllib has no default"),
    "urllib3.PoolManager": _URLLIB3,
    "urllib3.HTTPConnectionPool": _URLLIB3,
    "urllib3.HTTPSConnectionPool": _URLLIB3,
    "urllib3.request": Client(note="urllib3 has no default"),
    "http.client.HTTPConnection": _HTTP,
    "http.client.HTTPSConnection": _HTTP,
    "smtplib.SMTP": _SMTP,
    "smtplib.SMTP_SSL": _SMTP_SSL,
    "smtplib.LMTP": Client(by_socket=True, note="smtplib has no default"),
    "imaplib.IMAP4": Client({"timeout": 2}, by_socket=True, note="imaplib has no default"),
    "imaplib.IMAP4_SSL": Client(by_socket=True, note="imaplib has no default"),
    "poplib.POP3": Client({"timeout": 2}, by_socket=True, note="poplib has no default"),
    "poplib.POP3_SSL": Client(by_socket=True, note="poplib has no default"),
    "ftplib.FTP": Client({"timeout": 4}, by_socket=True, note="ftplib has no default"),
    "ftplib.FTP_TLS": Client(by_socket=True, note="ftplib has no default"),
    "telnetlib.Telnet": Client({"timeout": 2}, by_socket=True, note="telnetlib has no default"),
    "socket.create_connection": Client(
        {"timeout": 1}, by_socket=True, note="a socket has no default"
    ),
    "asyncio.open_connection": Client({}, note="asyncio.open_connection takes no limit"),
    "paramiko.SSHClient": Client(per_call=frozenset({"connect"}), note="paramiko has no default"),
    "twilio.rest.Client": Client({"http_client": 5}, note="twilio's HTTP client has no default"),
    **{
        f"redis.{kind}": _REDIS
        for kind in (
            "Redis",
            "StrictRedis",
            "RedisCluster",
            "ConnectionPool",
            "BlockingConnectionPool",
            "asyncio.Redis",
            "asyncio.StrictRedis",
            "asyncio.RedisCluster",
            "asyncio.ConnectionPool",
            "asyncio.BlockingConnectionPool",
        )
    },
    **{
        f"redis.{kind}from_url": _REDIS_URL
        for kind in (
            "",
            "Redis.",
            "StrictRedis.",
            "ConnectionPool.",
            "RedisCluster.",
            "asyncio.",
            "asyncio.Redis.",
            "asyncio.ConnectionPool.",
            "asyncio.RedisCluster.",
        )
    },
    "psycopg2.connect": Client(
        {"connect_timeout": None}, note="the operating system's minutes", default=Default.LONG
    ),
    "psycopg.connect": Client({"connect_timeout": None}, Default.LONG, "130 s to connect"),
    "psycopg.AsyncConnection.connect": Client(
        {"connect_timeout": None}, Default.LONG, "130 s to connect"
    ),
    "asyncpg.connect": _ASYNCPG,
    "asyncpg.create_pool": _ASYNCPG,
    "pymysql.connect": _MYSQL,
    "pymongo.MongoClient": Client(
        {"timeoutMS": None, "socketTimeoutMS": None}, Default.LONG, "a read for ever"
    ),
    "motor.motor_asyncio.AsyncIOMotorClient": Client(
        {"timeoutMS": None, "socketTimeoutMS": None}, Default.LONG, "a read for ever"
    ),
    "boto3.client": _BOTO,
    "boto3.resource": _BOTO,
    "stripe.StripeClient": Client({"http_client": None}, Default.LONG, "80 s"),
    **{
        f"openai.{kind}": _OPENAI
        for kind in ("OpenAI", "AsyncOpenAI", "AzureOpenAI", "AsyncAzureOpenAI")
    },
    "anthropic.Anthropic": _OPENAI,
    "anthropic.AsyncAnthropic": _OPENAI,
    "elasticsearch.Elasticsearch": Client(
        {"request_timeout": None}, default=Default.BOUNDED, note="10 s"
    ),
    "slack_sdk.WebClient": Client({"timeout": 2}, default=Default.BOUNDED, note="30 s"),
    "slack_sdk.web.async_client.AsyncWebClient": Client(default=Default.BOUNDED, note="30 s"),
}

# Objects of generated gRPC code: `FooStub(channel).Method(request)` waits for ever.
GRPC_STUB = Client(per_call=frozenset({"*"}), note="a gRPC call has no default")

PACKAGES = frozenset(name.partition(".")[0] for name in CLIENTS) | {"grpc"}

# `with` and functions that bound whatever is awaited in them.
LIMITS = frozenset({
    "asyncio.timeout", "asyncio.timeout_at", "asyncio.wait_for", "async_timeout.timeout",
    "anyio.fail_after", "anyio.move_on_after", "trio.fail_after", "trio.move_on_after",
})  # fmt: skip
