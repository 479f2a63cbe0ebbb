"""A provider that rotates its keys, is down, hangs or lies; and tokens of keys it never had."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from orders.kit import oidc
from orders.kit.http_client import ATTEMPTS, HttpClient
from orders.kit.oidc import OidcSettings, ProviderKeys
from orders.kit.settings import KitSettings, UnsafeSettings
from pydantic import SecretStr, ValidationError

from .conftest import URL, Caller, Start
from .provider import EC, RSA, Provider, public

NOWHERE = SecretStr("postgresql://nobody@localhost/nothing")


def test_keys_are_fetched_once(api: Caller, provider: Provider) -> None:
    assert api.together(api.get, [provider.token() for _ in range(20)]) == [200] * 20
    assert provider.asked == ["/.well-known/openid-configuration", "/keys"]


def test_a_new_key_is_found(api: Caller, provider: Provider) -> None:
    assert api.get(provider.token()) == 200
    provider.keys = [public(RSA, "rsa"), public(EC, "next")]
    time.sleep(1.1)
    assert api.get(provider.token(EC, "ES256", header={"kid": "next"})) == 200
    assert api.get(provider.token()) == 200
    assert provider.fetches() == 2


def test_a_withdrawn_key_is_forgotten(
    api: Caller, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert api.get(provider.token()) == 200
    provider.keys = [public(EC, "next")]
    monkeypatch.setattr(oidc, "KEYS_FRESH", 0.0)
    time.sleep(1.1)
    api.get(provider.token())  # starts a fetch and does not wait for it
    deadline = time.monotonic() + 5
    while api.get(provider.token()) == 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert api.get(provider.token(EC, "ES256", header={"kid": "next"})) == 200


def test_a_flood_of_unknown_keys_is_one_fetch_an_interval(api: Caller, provider: Provider) -> None:
    assert api.get(provider.token()) == 200
    began = time.monotonic()
    flood = [provider.token(header={"kid": uuid4().hex}) for _ in range(200)]
    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(api.get, flood)) == {401}
    assert provider.fetches() <= 2 + (time.monotonic() - began)
    assert api.get(provider.token()) == 200


@pytest.mark.parametrize("mode", ["hangs", "drips", "fails", "redirects"])
def test_without_any_key_a_token_is_not_judged(api: Caller, provider: Provider, mode: str) -> None:
    provider.mode = mode
    began = time.monotonic()
    answer = api.client.get(URL, headers={"Authorization": f"Bearer {provider.token()}"})
    assert time.monotonic() - began < 10
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:problem:identity-unavailable"
    assert int(answer.headers["Retry-After"]) >= 1
    assert "/elsewhere" not in provider.asked
    provider.mode = "answers"
    time.sleep(1.1)
    assert api.get(provider.token()) == 200


@pytest.mark.parametrize("mode", ["hangs", "drips", "fails", "redirects"])
def test_known_keys_serve_while_the_provider_does_not(
    api: Caller, provider: Provider, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert api.get(provider.token()) == 200
    provider.mode = mode
    monkeypatch.setattr(oidc, "KEYS_FRESH", 0.0)
    monkeypatch.setattr(oidc, "FETCH_TIMEOUT", 30.0)
    time.sleep(1.1)
    began = time.monotonic()
    for _ in range(15):
        assert api.get(provider.token()) == 200
        time.sleep(0.02)
    took = time.monotonic() - began
    assert took < 20, "it waited for the provider"
    assert 2 <= provider.fetches() <= 3 + took
    provider.released.set()
    time.sleep(1.1)
    assert api.get(provider.token(header={"kid": "next"})) == 503


def test_keys_are_not_kept_for_ever(
    api: Caller, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert api.get(provider.token()) == 200
    provider.mode = "fails"
    monkeypatch.setattr(oidc, "KEYS_KEPT", 0.5)
    time.sleep(1.1)
    assert api.get(provider.token()) == 503


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"keys": 5}',
        b'{"keys": []}',
        b'{"keys": [5]}',
        b'{"keys": [{}]}',
        b'{"keys": [{"kty": "RSA", "n": "!", "e": 7}]}',
        b"[" * 50_000,
        b"\xff\xfe",
    ],
)
def test_nonsense_replaces_no_key(
    api: Caller, provider: Provider, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert api.get(provider.token()) == 200
    provider.body = body
    monkeypatch.setattr(oidc, "FETCH_INTERVAL", 0.0)
    assert api.get(provider.token(header={"kid": "next"})) == 503
    assert api.get(provider.token()) == 200
    provider.body = None
    assert api.get(provider.token(header={"kid": "next"})) == 401


def test_the_provider_must_be_who_it_says(start: Start, provider: Provider) -> None:
    provider.discovery = {"issuer": "https://other.invalid"}
    assert start().get(provider.token()) == 503
    assert "/keys" not in provider.asked


def test_discovery_can_be_left_out(start: Start, provider: Provider) -> None:
    api = start(OIDC_JWKS_URL=f"{provider.issuer}/elsewhere/keys")
    assert api.get(provider.token()) == 200
    assert provider.asked == ["/elsewhere/keys"]


@pytest.mark.parametrize("mode", ["hangs", "drips"])
def test_others_are_served_while_the_provider_hangs(
    api: Caller, provider: Provider, mode: str, new_caller: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = new_caller()  # type: ignore[operator]
    provider.mode = mode
    monkeypatch.setattr(oidc, "FETCH_TIMEOUT", 30.0)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(api.get, provider.token()) for _ in range(8)]
        while not provider.asked:
            time.sleep(0.01)
        for _ in range(5):
            assert api.client.get("/livez").status_code == 200
            assert api.client.get(URL, headers=headers).status_code == 200
        assert not any(waiter.done() for waiter in waiting)
        provider.released.set()
        assert {waiter.result() for waiter in waiting} == {503}
    assert provider.fetches() <= ATTEMPTS  # of one fetch


def test_one_who_stops_waiting_takes_the_keys_from_nobody(provider: Provider) -> None:
    """A client that hangs up cancels its request, and not the fetch that others wait for."""

    async def ask() -> tuple[object, object]:
        settings = OidcSettings(issuer=provider.issuer, audience="orders")
        async with HttpClient(KitSettings(database_url=NOWHERE)) as http:
            keys = ProviderKeys(http, settings)
            first, second = (asyncio.ensure_future(keys.find("rsa", "RS256")) for _ in range(2))
            await asyncio.sleep(0)
            first.cancel()
            return first, await second

    first, found = asyncio.run(ask())
    assert isinstance(first, asyncio.Future)
    assert first.cancelled()
    assert found is not None
    assert provider.fetches() == 1


def test_settings_that_would_trust_too_much_are_refused() -> None:
    for wrong in (
        {"issuer": "https://id.invalid"},
        {"audience": "orders"},
        {"issuer": "ftp://id.invalid", "audience": "orders"},
        {"issuer": "id.invalid", "audience": "orders"},
        {"issuer": "https://", "audience": "orders"},
        {"issuer": "https://id.invalid", "audience": "orders", "jwks_url": "file:///etc/keys"},
        {"issuer": "https://id.invalid", "audience": "orders", "clock_skew": 301},
    ):
        with pytest.raises(ValidationError):
            OidcSettings.model_validate(wrong)
    for unsafe in (
        {},
        {"issuer": "http://id.invalid", "audience": "orders"},
        {"issuer": "https://id.invalid", "audience": "orders", "jwks_url": "http://id.invalid/k"},
    ):
        settings = OidcSettings.model_validate(unsafe)
        settings.refuse_unsafe("development")
        with pytest.raises(UnsafeSettings):
            settings.refuse_unsafe("production")
    OidcSettings(issuer="https://id.invalid", audience="orders").refuse_unsafe("production")
