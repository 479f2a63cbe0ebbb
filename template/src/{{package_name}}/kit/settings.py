"""The settings that the kit needs: typed, read once, refused when they make no sense."""

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError


class KitSettings(BaseSettings):
    """Environment variables, then the file `.env` of the working directory."""

    model_config = SettingsConfigDict(
        env_file=".env",
        extra="ignore",
        frozen=True,
        # A wrong value is named, never printed: it may hold a password.
        hide_input_in_errors=True,
    )

    database_url: SecretStr = Field(description="postgresql://user:password@host:5432/name")
    database_pool_size: int = Field(default=5, ge=1, description="connections kept open")
    database_pool_overflow: int = Field(default=5, ge=0, description="more of them at a peak")

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, value: SecretStr) -> SecretStr:
        # SQLAlchemy's parser, not a web address's: a socket's URL names no host.
        try:
            backend = make_url(value.get_secret_value()).get_backend_name()
        except ArgumentError:
            backend = "nothing"
        if backend not in {"postgres", "postgresql"}:
            raise ValueError("give a PostgreSQL URL: postgresql://user:password@host:5432/name")
        return value

    @property
    def sqlalchemy_url(self) -> URL:
        """DATABASE_URL as SQLAlchemy and asyncpg want it (libpq's `sslmode` is their `ssl`)."""
        url = make_url(self.database_url.get_secret_value()).set(drivername="postgresql+asyncpg")
        if "sslmode" in url.query:
            url = url.update_query_dict({"ssl": url.query["sslmode"]})
        return url.difference_update_query(["sslmode"])
