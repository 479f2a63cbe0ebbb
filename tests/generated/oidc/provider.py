"""An identity provider on loopback, with real keys, that can misbehave in every way we know."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, TypeAlias
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
P384 = ec.generate_private_key(ec.SECP384R1())
ED = ed25519.Ed25519PrivateKey.generate()
DISCOVERY = "/.well-known/openid-configuration"


def public(key: PrivateKey, kid: str, **members: str) -> dict[str, Any]:
    """The public half of a key as a provider publishes it."""
    half = key.public_key()
    if isinstance(half, rsa.RSAPublicKey):
        made = RSAAlgorithm.to_jwk(half, as_dict=True)
    elif isinstance(half, ec.EllipticCurvePublicKey):
        made = ECAlgorithm.to_jwk(half, as_dict=True)
    else:
        made = OKPAlgorithm.to_jwk(half, as_dict=True)
    return {**made, "kid": kid, **members}


class Provider:
    """Publishes `keys`, or does what `mode` says: "hangs", "drips", "fails", "redirects"."""

    def __init__(self) -> None:
        self.keys: object = [public(RSA, "rsa"), public(EC, "ec"), public(P384, "p384")]
        self.keys += [public(ED, "ed")]
        self.mode = "answers"
        self.asked: list[str] = []
        self.issuer = ""
        self.discovery: Mapping[str, object] = {}
        self.body: bytes | None = None
        self.released = Event()

    def documents(self, path: str) -> bytes:
        """What it answers at `path`."""
        if path == DISCOVERY:
            found = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}
            return json.dumps(found | dict(self.discovery)).encode()
        return json.dumps({"keys": self.keys}).encode() if self.body is None else self.body

    def fetches(self) -> int:
        """How often the keys were asked for, or tried to be."""
        return self.asked.count(DISCOVERY)

    def token(
        self,
        key: PrivateKey = RSA,
        algorithm: str = "RS256",
        *,
        header: Mapping[str, object] | None = None,
        without: str = "",
        **claims: object,
    ) -> str:
        """A token: a valid one, but for what is said."""
        valid = {
            "iss": self.issuer,
            "aud": "orders",
            "sub": uuid4().hex,
            "exp": int(time.time()) + 60,
            "scope": "payments:read payments:write",
        } | claims
        valid.pop(without, None)
        headers = {"kid": "rsa"} | dict(header or {})
        named = {name: value for name, value in headers.items() if value is not None}
        # Past PyJWT's own care for what it signs.
        return jwt.PyJWS().encode(json.dumps(valid).encode(), key, algorithm, named)


@contextmanager
def serving(provider: Provider) -> Iterator[Provider]:
    """`provider`, on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            provider.asked.append(self.path)
            if provider.mode == "hangs":
                provider.released.wait(60)
                self.close_connection = True
                return
            status = {"fails": 500, "redirects": 302}.get(provider.mode, 200)
            body = provider.documents(self.path)
            self.send_response(status)
            self.send_header("Location", f"{provider.issuer}/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if provider.mode == "drips":
                for byte in body:
                    if provider.released.wait(0.5):
                        break
                    self.wfile.write(bytes([byte]))
                self.close_connection = True
            else:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(ConnectionError):  # the client had waited long enough
                super().handle()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        provider.issuer = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield provider
        provider.released.set()
        server.shutdown()
