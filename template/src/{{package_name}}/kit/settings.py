"""The settings that the kit needs: typed, read once, refused when they make no sense."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from .deprecation import Deprecation

Version = Annotated[str, Field(pattern="^v[1-9][0-9]*$")]


class UnsafeSettings(ValueError):
    """The service refuses to start: a setting is not fit for production."""


class KitSettings(BaseSettings):
    """Environment variables, then the file `.env` of the working directory."""

    model_config = SettingsConfigDict(
        env_file=".env",
        extra="ignore",
        frozen=True,
        # A wrong value is named, never printed: it may hold a password.
        hide_input_in_errors=True,
    )

    environment: Literal["production", "development"] = Field(
        default="production", description="production or development"
    )
    host: str = Field(default="127.0.0.1", description="the address that `serve` listens on")
    port: int = Field(default=8000, ge=1, le=65535, description="the port that `serve` listens on")
    metrics_port: int = Field(default=9400, ge=0, le=65535, description="/metrics; 0 serves none")
    drain_seconds: float = Field(
        default=5, ge=0, description="between SIGTERM and the end: time for others to notice"
    )
    slow_query_seconds: float = Field(default=1, gt=0, description="a slower query is logged")
    read_only: bool = Field(default=False, description="writes are refused: for a bad night")
    database_url: SecretStr = Field(description="postgresql://user:password@host:5432/name")
    database_owner_url: SecretStr | None = Field(
        default=None, description="the same database as its owner, who migrates and purges"
    )
    replicas: int = Field(default=1, ge=1, description="processes' hosts at most, all regions")
    web_concurrency: int = Field(default=1, ge=1, description="worker processes of a replica")
    database_max_connections: int = Field(default=100, ge=1, description="the server's own limit")
    database_memory_mib: int | None = Field(default=None, ge=1, description="the server's memory")
    database_pooler_connections: int | None = Field(
        default=None, ge=1, description="what PgBouncer or RDS Proxy opens to the server, if used"
    )
    database_pool_size: int = Field(default=5, ge=1, description="connections kept open")
    database_pool_overflow: int = Field(default=5, ge=0, description="more of them at a peak")
    api_key_pepper: SecretStr = Field(
        default=SecretStr(""),
        description="the key of the API keys' hashes; 32 random bytes or more",
    )
    idempotency_hours: int = Field(default=24, ge=1, description="how long an answer is replayed")
    http_connect_seconds: float = Field(default=2, gt=0, le=10, description="outgoing: to connect")
    http_read_seconds: float = Field(default=5, gt=0, le=25, description="outgoing: for some bytes")
    http_write_seconds: float = Field(default=5, gt=0, le=25, description="outgoing: to send some")
    http_pool_seconds: float = Field(default=2, gt=0, le=10, description="outgoing: for a free one")
    # Less than a transaction may be idle: a call made inside one must not cost it.
    http_total_seconds: float = Field(
        default=10, gt=0, le=25, description="outgoing: a whole call, its retries included"
    )
    http_request_seconds: float = Field(
        default=30, gt=0, le=50, description="outgoing: all calls that one request makes"
    )
    rate_limit_enabled: bool = Field(default=True, description="off: nobody is limited")
    rate_limit_store: SecretStr = Field(
        default=SecretStr("postgres"), description="where callers' limits are kept"
    )
    rate_limit_store_seconds: float = Field(
        default=0.05, gt=0, le=1, description="how long a request waits for that"
    )
    rate_limit_caller: int = Field(default=600, ge=1, description="requests a minute of an account")
    rate_limit_address: int = Field(
        default=6000, ge=1, description="requests a minute of an address, to one process"
    )
    forwarded_allow_ips: str = Field(
        default="127.0.0.1,::1", description="proxies that `serve` believes, comma-separated"
    )
    api_deprecated: Mapping[Version, Deprecation] = Field(
        default={}, description='JSON: {"v1": {"since": "2030-01-31", "sunset": "2030-07-31"}}'
    )
    api_retired: Annotated[tuple[Version, ...], NoDecode] = Field(
        default=(), description="versions that answer 410, comma-separated: v1"
    )
    max_body_bytes: int = Field(default=1_048_576, ge=1, description="a larger body is a 413")
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="web pages that may call, comma-separated; none by default"
    )
    retention_days: int = Field(
        default=0, ge=0, description="purge removes rows deleted longer ago; 0 keeps them for ever"
    )

    @field_validator("database_url", "database_owner_url")
    @classmethod
    def _is_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return value
        # SQLAlchemy's parser, not a web address's: a socket's URL names no host.
        try:
            backend = make_url(value.get_secret_value()).get_backend_name()
        except ArgumentError:
            backend = "nothing"
        if backend not in {"postgres", "postgresql"}:
            raise ValueError("give a PostgreSQL URL: postgresql://user:password@host:5432/name")
        return value

    @field_validator("cors_origins", "api_retired", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return [part.strip() for part in value.split(",") if part.strip()]

    @property
    def owner_url(self) -> str:
        """The URL to migrate and purge with."""
        return (self.database_owner_url or self.database_url).get_secret_value()

    @property
    def processes(self) -> int:
        """How many processes serve at most, but for those of a roll-out."""
        return self.replicas * self.web_concurrency

    def refuse_unsafe(self) -> None:
        """Raise `UnsafeSettings` for what must not reach production."""
        if self.environment != "production":
            return
        if len(self.api_key_pepper.get_secret_value()) < 32:
            raise UnsafeSettings("API_KEY_PEPPER needs 32 characters or more in production")
        if "*" in self.cors_origins:
            raise UnsafeSettings("CORS_ORIGINS may not be '*' in production: name the pages")
        if "*" in self.forwarded_allow_ips:
            raise UnsafeSettings(
                "FORWARDED_ALLOW_IPS may not be '*' in production: every client could name any"
                " address as its own. Name the proxies, or their networks"
            )
