"""Tokens that must open nothing, whoever made them, and those that must."""

import base64
import hashlib
import hmac
import json
import time
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from orders.kit import oidc

from .conftest import Caller, Start
from .provider import EC, ED, P384, RSA, PrivateKey, Provider, public

PEM = RSA.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
DER = RSA.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)


def part(value: object) -> str:
    """One of the three parts of a token."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims_of(token: str) -> str:
    """The middle part."""
    return token.split(".")[1]


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [
        *((RSA, name, "rsa") for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        (EC, "ES256", "ec"),
        (P384, "ES384", "p384"),
        (ED, "EdDSA", "ed"),
    ],
)
def test_asymmetric_signatures_are_accepted(
    api: Caller, provider: Provider, key: PrivateKey, algorithm: str, kid: str
) -> None:
    assert api.get(provider.token(key, algorithm, header={"kid": kid})) == 200


def test_the_algorithm_none_is_refused(api: Caller, provider: Provider) -> None:
    valid = provider.token()
    for name in ("none", "None", "NONE", "nOnE", "", None, ["RS256"], {"RS256": 1}, 5):
        header = part({"alg": name, "kid": "rsa", "typ": "JWT"})
        for signature in ("", valid.split(".")[2]):
            assert api.get(f"{header}.{claims_of(valid)}.{signature}") == 401
    assert api.get(f"{part({'kid': 'rsa'})}.{claims_of(valid)}.") == 401


@pytest.mark.parametrize("secret", [PEM, PEM.strip(), DER, json.dumps(public(RSA, "rsa")).encode()])
@pytest.mark.parametrize(("name", "hashed"), [("HS256", hashlib.sha256), ("HS512", hashlib.sha512)])
def test_a_public_key_is_no_shared_secret(
    api: Caller, provider: Provider, secret: bytes, name: str, hashed: object
) -> None:
    body = f"{part({'alg': name, 'kid': 'rsa', 'typ': 'JWT'})}.{claims_of(provider.token())}"
    digest = hmac.digest(secret, body.encode(), hashed)  # type: ignore[arg-type]
    assert api.get(f"{body}.{part(digest)}") == 401


def test_a_shared_secret_that_a_provider_publishes_is_no_key(
    start: Start, provider: Provider
) -> None:
    secret = b"s" * 32
    provider.keys = [{"kty": "oct", "k": part(secret), "kid": "oct", "alg": "HS256"}]
    provider.keys += [public(RSA, "rsa")]
    body = f"{part({'alg': 'HS256', 'kid': 'oct'})}.{claims_of(provider.token())}"
    digest = hmac.digest(secret, body.encode(), "sha256")
    assert start().get(f"{body}.{part(digest)}") == 401


def test_a_key_serves_its_own_algorithm_only(start: Start, provider: Provider) -> None:
    provider.keys = [public(RSA, "rsa", alg="RS256"), public(EC, "enc", use="enc")]
    api = start()
    assert api.get(provider.token()) == 200
    assert api.get(provider.token(algorithm="PS256")) == 401
    assert api.get(provider.token(EC, "ES256", header={"kid": "enc"})) == 401
    assert api.get(provider.token(EC, "ES256", header={"kid": "rsa"})) == 401


def test_a_short_key_is_refused(start: Start, provider: Provider) -> None:
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505
    provider.keys = [public(short, "short")]
    with pytest.warns(match="below the minimum"):
        token = provider.token(short, header={"kid": "short"})
    assert start().get(token) == 401


def test_a_token_cannot_bring_its_own_key(api: Caller, provider: Provider) -> None:
    own = rsa.generate_private_key(65537, 2048)
    for header in (
        {"jwk": public(own, "rsa")},
        {"jku": f"{provider.issuer}/mine"},
        {"x5u": f"{provider.issuer}/mine"},
        {},
    ):
        assert api.get(provider.token(own, header=header)) == 401
    assert "/mine" not in provider.asked


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://other.invalid"},
        {"iss": ""},
        {"iss": None},
        {"iss": ["https://other.invalid"]},
        {"without": "iss"},
        {"aud": "other"},
        {"aud": ""},
        {"aud": []},
        {"aud": ["other", "another"]},
        {"aud": {"orders": 1}},
        {"aud": "orders "},
        {"without": "aud"},
        {"without": "exp"},
        {"without": "sub"},
        {"exp": "soon"},
        {"exp": None},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": [2**40]},
        {"exp": -1},
        {"sub": None},
        {"sub": 7},
        {"sub": ""},
        {"sub": "x" * 256},
        {"sub": "x\x00"},
        {"sub": "x\n"},
        {"sub": "\ud800"},
        {"sub": ["x"]},
    ],
)
def test_wrong_claims_are_refused(
    api: Caller, provider: Provider, wrong: dict[str, object]
) -> None:
    token = provider.token(**wrong)  # type: ignore[arg-type]
    assert [api.get(token), api.post(token)] == [401, 401]


def test_an_issuer_is_compared_letter_by_letter(api: Caller, provider: Provider) -> None:
    for issuer in (provider.issuer + "/", provider.issuer.upper(), " " + provider.issuer):
        assert api.get(provider.token(iss=issuer)) == 401


def test_clocks_may_differ_a_little(api: Caller, provider: Provider) -> None:
    now = int(time.time())
    for claim, near, far in (("exp", -15, -40), ("nbf", 15, 60), ("iat", 15, 60)):
        assert api.get(provider.token(**{claim: now + near})) == 200  # type: ignore[arg-type]
        assert api.get(provider.token(**{claim: now + far})) == 401  # type: ignore[arg-type]


def test_several_audiences_are_fine(api: Caller, provider: Provider) -> None:
    assert api.get(provider.token(aud=["other", "orders"])) == 200


@pytest.mark.parametrize(
    "kid",
    [
        "' OR 1=1 --",
        "../../../../dev/null",
        "/keys?x=",
        "http://other.invalid/",
        "x" * 8_000,
        "\x00",
        "\ud800",
        "rsa\n",
        "",
        "RSA",
        "None",
    ],
)
def test_a_strange_key_name_is_only_a_name(api: Caller, provider: Provider, kid: str) -> None:
    assert api.get(provider.token(header={"kid": kid})) == 401
    assert set(provider.asked) <= {"/.well-known/openid-configuration", "/keys"}


def test_a_key_name_that_is_no_text_is_refused(api: Caller, provider: Provider) -> None:
    _, claims, signature = provider.token().split(".")
    for kid in (1, None, ["rsa"], {"a": 1}, True):
        header = part({"alg": "RS256", "kid": kid})
        assert api.get(f"{header}.{claims}.{signature}") == 401


def test_unnamed_keys_serve_unnamed_tokens(start: Start, provider: Provider) -> None:
    unnamed = public(RSA, "")
    del unnamed["kid"]
    provider.keys = [unnamed]
    api = start()
    assert api.get(provider.token(header={"kid": None})) == 200
    assert api.get(provider.token(header={"kid": "None"})) == 401


def test_garbage_is_refused(api: Caller, provider: Provider) -> None:
    header, claims, signature = provider.token().split(".")
    flipped = claims[:-1] + ("A" if claims[-1] != "A" else "B")
    deep = part(b'{"alg":"RS256","kid":"rsa","x":' + b"[" * 5_000 + b"]" * 5_000 + b"}")
    for token in (
        ".",
        "..",
        "...",
        "a.b.c",
        "a.b.c.d.e",
        f"{header}.{claims}",
        f"{header}.{flipped}.{signature}",
        f"{header}.{claims}.{signature[:-2]}",
        f"{header}.{claims}.{signature}.",
        f"{header}.{claims}.{signature}=",
        f"{header}..{signature}",
        f"{part([1])}.{claims}.{signature}",
        f"{part(b'{')}.{claims}.{signature}",
        f"{part({'alg': 'RS256', 'kid': 'rsa', 'crit': ['x'], 'x': 1})}.{claims}.{signature}",
        f"{part({'alg': 'RS256', 'kid': 'rsa', 'b64': False, 'crit': ['b64']})}..{signature}",
        f"{deep}.{claims}.{signature}",
        "é" * 40,
        "eyJ" * 6_000,
    ):
        assert api.get(token) == 401, token[:80]


def test_a_huge_token_is_refused_unread(
    api: Caller, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = provider.token(padding="x" * 60_000)
    assert api.get(token) == 401
    assert provider.asked == []
    monkeypatch.setattr(oidc, "MAX_TOKEN", 100_000)
    assert api.get(token) == 200


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"scope": "openid payments:read"}, 200),
        ({"scope": "", "scp": "payments:read"}, 200),
        ({"scope": None, "scp": ["openid", "payments:read"]}, 200),
        ({"scope": "payments:*"}, 200),
        ({"scope": "payments:write"}, 403),
        ({"scope": "payments:reader"}, 403),
        ({"scope": "PAYMENTS:READ"}, 403),
        ({"scope": "* support payments"}, 403),
        ({"scope": 5, "scp": {"payments:read": 1}}, 403),
        ({"scope": [["payments:read"], 1, None], "scp": True}, 403),
        ({"without": "scope"}, 403),
    ],
)
def test_scopes_are_what_the_token_grants(
    api: Caller, provider: Provider, claims: dict[str, object], status: int
) -> None:
    assert api.get(provider.token(**claims)) == status  # type: ignore[arg-type]


def test_scopes_can_be_translated(start: Start, provider: Provider) -> None:
    api = start(OIDC_SCOPES='{"staff": "payments:read support", "Payments.Write": "payments:*"}')
    location = api.client.post(
        "/api/v1/payments",
        json={"amount": 1, "currency": "EUR"},
        headers={"Authorization": f"Bearer {provider.token(scope='Payments.Write')}"},
    ).headers["Location"]
    for scope, status in (("staff", 200), ("payments:read", 403), ("Payments.Write", 404)):
        headers = {"Authorization": f"Bearer {provider.token(scope=scope)}"}
        assert api.client.get(location, headers=headers).status_code == status


def test_keys_are_still_keys(api: Caller, provider: Provider, new_caller: object) -> None:
    headers = new_caller()  # type: ignore[operator]
    assert api.client.get("/api/v1/payments", headers=headers).status_code == 200
    wrong = {"Authorization": f"{headers['Authorization'][:-1]}!"}
    assert api.client.get("/api/v1/payments", headers=wrong).status_code == 401
    assert api.get(f"key_{uuid4().hex}") == 401
    assert provider.asked == []
