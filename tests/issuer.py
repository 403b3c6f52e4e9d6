"""A stand-in for an identity provider's token service: keys of its own, tokens, and key sets over https on loopback."""

from __future__ import annotations

import json
import secrets
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey, Key, KeySet, OctKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64encode

TENANT = "7f1c2d3e-0a1b-4c2d-8e3f-9a0b1c2d3e4f"
ISSUER = f"https://login.microsoftonline.com/{TENANT}/v2.0"
AUDIENCE = "api://2b7d5a54-8f0e-4a4e-9c39-3c2d1f0e9a8b"
SUBJECT = "d5f0a1b2-3c4d-4e5f-8a9b-0c1d2e3f4a5b"


def epoch(**ago: float) -> int:
    """The time now, or so long ago, as JWTs have it."""
    return int((datetime.now(UTC) - timedelta(**ago)).timestamp())


@dataclass(frozen=True)
class Issuer:
    """Signs what it is asked to with an RSA or an EC key."""

    rsa: Key = field(default_factory=lambda: RSAKey.generate_key(2048, {"use": "sig"}, auto_kid=True))
    ec: Key = field(default_factory=lambda: ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True))
    issuer: str = ISSUER

    @property
    def key_set(self) -> dict[str, Any]:
        return dict(KeySet([self.rsa, self.ec]).as_dict(private=False))

    def claims(self, **changes: Any) -> dict[str, Any]:
        """What an assertion of Entra's says, with changes; None leaves a claim out."""
        claims = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": SUBJECT,
            "oid": SUBJECT,
            "iat": epoch(),
            "nbf": epoch(),
            "exp": epoch(hours=-1),
            "jti": secrets.token_hex(8),
            "ver": "2.0",
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, alg: str = "RS256", *, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """Signed by the key for `alg`, whatever the header and the claims say."""
        key = self.ec if alg.startswith("ES") else self.rsa
        return _signed({"alg": alg, "typ": "JWT", "kid": key.kid, **(header or {})}, self.claims(**changes), alg, key)

    def unsigned(self) -> str:
        """By alg "none"."""
        return f"{_part({'alg': 'none', 'kid': self.rsa.kid})}.{_part(self.claims())}."

    def by_the_public_key(self) -> str:
        """By HS256, with the RSA key that everybody knows as the shared secret."""
        secret = OctKey.import_key(json.dumps(self.rsa.as_dict(private=False)).encode())
        return _signed({"alg": "HS256", "kid": self.rsa.kid}, self.claims(), "HS256", secret)


def _signed(header: Mapping[str, Any], claims: Mapping[str, Any], alg: str, key: Key) -> str:
    text = f"{_part({name: value for name, value in header.items() if value is not None})}.{_part(claims)}"
    signature = JWSRegistry.algorithms[alg].sign(text.encode(), key)
    return f"{text}.{urlsafe_b64encode(signature).decode()}"


def _part(value: Mapping[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode()


@dataclass
class Source:
    """An https server with a key set; `status`, `body` and `headers` are what it answers, `asked` how often it was."""

    host: str
    certificates: Path
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    gate: threading.Event | None = None  # if there is one, it answers once that is set
    heard: Callable[[], object] = lambda: None
    drips: bool = False  # a header that never ends, byte by byte, until nobody listens: then `hung_up` is set
    hung_up: threading.Event = field(default_factory=threading.Event)

    @property
    def jwks_uri(self) -> str:
        return f"https://{self.host}/discovery/v2.0/keys"

    def publish(self, key_set: Mapping[str, Any]) -> None:
        self.body = json.dumps(key_set).encode()


@contextmanager
def published(folder: Path) -> Iterator[Source]:
    """A real https server on loopback, whose certificate nobody but `certificates` vouches for."""
    certificates, private = _certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates, private)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            source.asked += 1
            source.heard()
            if source.gate is not None:
                source.gate.wait(60)
            if source.drips:
                self.drip()
            self.send_response(source.status)
            for name, value in {"Content-Length": str(len(source.body)), **source.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(source.body)

        def drip(self) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Never: ")
            with suppress(OSError):
                while not threading.Event().wait(0.01):
                    self.wfile.write(b"x")
            source.hung_up.set()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hangs up is no news
    server.socket = context.wrap_socket(server.socket, server_side=True)
    source = Source(f"127.0.0.1:{server.server_port}", certificates)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield source
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for loopback that signs itself, and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stand-in issuer")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificates, private = folder / "issuer.pem", folder / "issuer.key"
    certificates.write_bytes(certificate.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificates, private
