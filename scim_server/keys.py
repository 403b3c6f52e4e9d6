"""Other parties' signatures: key sets, given or fetched, and what a JWT says if one of its keys signed it.

Knows no client, trust or database, and none of ours. Keys are fetched over https alone, from hosts that an operator
named, and follow no redirect: who may name a URL here must not be able to make the server ask its own network.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Lock, Thread
from typing import Any, Final

import httpx
from joserfc import jws, jwt
from joserfc.errors import ClaimError, ExpiredTokenError, InvalidKeyIdError, JoseError
from joserfc.jwk import Key, KeySet, import_key

MICROSOFT: Final = "login.microsoftonline.com"
# Public keys alone: with a shared secret, or none, whoever knows the published key could sign.
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
MOST_AGE: Final = timedelta(hours=24)
LEEWAY: Final = 60  # seconds that two clocks may differ by
TIMEOUT: Final = 5.0  # seconds, for the whole of a fetch, from the look-up of the name to the last byte
LARGEST: Final = 256 * 1024  # bytes of a key set
FRESH: Final = timedelta(hours=1)
STALE: Final = timedelta(hours=24)  # how long a fetched set serves while its source is down
AGAIN: Final = timedelta(minutes=1)  # a source is asked out of turn this often at most
_TYPES: Final = ("RSA", "EC")
_SECRET_MEMBERS: Final = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))  # RFC 7518 §6
_SHORTEST_MODULUS: Final = 342  # characters of 2048 bits in base64url (RFC 7518 §3.3)
_BROKEN: Final = (JoseError, ValueError, TypeError, KeyError, ArithmeticError, RecursionError)


class Untrusted(Exception):
    """A JWT that proves nothing, or a key set that can't be used; the text is a sentence that quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A key set as it was fetched; `again` is when it may be asked for out of turn."""

    keys: KeySet | None
    fetched: datetime
    again: datetime

    def is_due(self, kid: str | None, now: datetime) -> bool:
        known = self.keys is not None and (kid is None or any(key.kid == kid for key in self.keys))
        return (now - self.fetched >= FRESH or not known) and now >= self.again


class KeySets:
    """Finds key sets and verifies what was signed with them; what is fetched is kept in this process.

    `hosts` are those that may be asked: a name for port 443, or name:port. `certificates` is a PEM file with
    authorities to trust besides the public ones; `timeout` is in seconds.
    """

    def __init__(
        self, hosts: Iterable[str] = (MICROSOFT,), certificates: str = "", *, timeout: float = TIMEOUT
    ) -> None:
        self._hosts = frozenset(host.strip().lower() for host in hosts)
        self._certificates = certificates
        self._timeout = timeout
        self._kept: dict[str, _Kept] = {}
        self._turns: dict[str, Lock] = {}
        self._making = Lock()

    def check(self, source: Mapping[str, Any]) -> None:
        """Whether `source` can be a key set: {"keys": [public JWKs]} or {"jwks_uri": URL}. Fetches nothing.

        Raises Untrusted.
        """
        if source.keys() == {"jwks_uri"}:
            self._place(source["jwks_uri"])
            return
        keys = source.get("keys")
        if source.keys() != {"keys"} or not isinstance(keys, list):
            raise Untrusted('A key set is {"keys": [...]} or {"jwks_uri": "https://..."}.')
        if any(isinstance(key, dict) and _SECRET_MEMBERS & key.keys() for key in keys):
            raise Untrusted("The key set holds a private or shared key. Give the public keys alone.")
        _imported(source)

    def keys_for(self, source: Mapping[str, Any], kid: str | None, now: datetime) -> KeySet:
        """The keys that `source` names. A fetched set is asked for again after an hour, or sooner if it lacks `kid`.

        Raises Untrusted where there are none.
        """
        if "jwks_uri" not in source:
            return _imported(source)
        place = self._place(source["jwks_uri"])
        kept = self._kept.get(str(place))
        if kept is None or kept.is_due(kid, now):
            kept = self._renewed(place, kid, now)
        if kept.keys is None or now - kept.fetched >= STALE:
            raise Untrusted("The issuer's key set can't be fetched now.")
        return kept.keys

    def verify(
        self,
        text: str,
        source: Mapping[str, Any],
        *,
        issuer: str,
        audience: Collection[str],
        subject: str | None,
        now: datetime,
    ) -> Mapping[str, Any]:
        """The claims of a JWT that one of the keys signed: by `issuer`, for one of `audience`, about `subject` if any.

        It must have `exp`, be no older than MOST_AGE and live no longer (RFC 7523 §3). Raises Untrusted.
        """
        header, _ = opened(text)
        keys = self.keys_for(source, header.get("kid"), now)
        about: dict[str, Any] = {} if subject is None else {"sub": {"essential": True, "value": subject}}
        registry = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=LEEWAY,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "values": list(audience)},
            exp={"essential": True},
            **about,
        )
        signatures = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        try:
            claims = jwt.decode(text, keys, registry=signatures).claims
            registry.validate(claims)
            check_age(claims, now)
        except _BROKEN as error:
            raise Untrusted(_reason(error)) from error
        return claims

    def _place(self, url: object) -> httpx.URL:
        """Where the key set is, if it may be asked. Raises Untrusted."""
        try:
            place = httpx.URL(url if isinstance(url, str) else "")
        except (httpx.InvalidURL, ValueError) as error:
            raise Untrusted("The key set's address is no URL.") from error
        if place.scheme != "https" or not place.host or place.userinfo or place.fragment:
            raise Untrusted("A key set is fetched from an https:// URL without user, password or fragment.")
        if place.netloc.decode().lower() not in self._hosts:
            raise Untrusted("The key set's host isn't one that SCIM_SERVER_KEY_SET_HOSTS allows.")
        return place

    def _renewed(self, place: httpx.URL, kid: str | None, now: datetime) -> _Kept:
        """What is kept, after asking for it; where another thread is asking already, what there was.

        Raises Untrusted where there was nothing, and the other thread doesn't get it in time either.
        """
        url = str(place)
        with self._making:
            turn = self._turns.setdefault(url, Lock())
        before = self._kept.get(url)
        if not turn.acquire(timeout=self._timeout if before is None else 0):
            if before is None:
                raise Untrusted("The issuer's key set can't be fetched now.")
            return before
        try:
            kept = self._kept.get(url)
            if kept is None or kept.is_due(kid, now):
                kept = self._kept[url] = self._asked(place, kept, now)
            return kept
        finally:
            turn.release()

    def _asked(self, place: httpx.URL, kept: _Kept | None, now: datetime) -> _Kept:
        """The set as its source has it now, or as it was if the source doesn't answer."""
        try:
            keys = _imported(json.loads(self._fetched(place)))
        except (Untrusted, httpx.HTTPError, ValueError, TypeError, RecursionError):
            return _Kept(None, now, now + AGAIN) if kept is None else replace(kept, again=now + AGAIN)
        in_turn = kept is None or now - kept.fetched >= FRESH
        return _Kept(keys, now, now if in_turn else now + AGAIN)

    def _fetched(self, place: httpx.URL) -> bytes:
        """The body at `place`, at most LARGEST bytes and in time. Raises Untrusted and httpx.HTTPError.

        By a thread of its own: httpx limits each step, so that whoever sends a byte now and then could hold one of the
        server's. Closing the client ends it at the next byte, or when that doesn't come.
        """
        context = httpx.create_ssl_context()
        if self._certificates:
            context.load_verify_locations(self._certificates)
        found: Future[bytes] = Future()
        client = httpx.Client(verify=context, timeout=self._timeout, follow_redirects=False)
        Thread(target=_fetch, args=(client, place, found), name="key-set", daemon=True).start()
        try:
            return found.result(self._timeout)
        except TimeoutError as error:
            raise Untrusted("The issuer's key set comes too slowly.") from error
        finally:
            client.close()


def _fetch(client: httpx.Client, place: httpx.URL, found: Future[bytes]) -> None:
    try:
        found.set_result(_body(client, place))
    except Exception as error:  # noqa: BLE001 - it is raised where the result is asked for
        found.set_exception(error)


def _body(client: httpx.Client, place: httpx.URL) -> bytes:
    """Raises Untrusted and httpx.HTTPError."""
    body = bytearray()
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    with client.stream("GET", place, headers=headers) as answer:
        if answer.status_code != httpx.codes.OK:
            raise Untrusted("The issuer's key set isn't where it should be.")
        for part in answer.iter_raw():
            body += part
            if len(body) > LARGEST:
                raise Untrusted("The issuer's key set is too large.")
    return bytes(body)


def opened(text: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The header and the claims of a JWT whose signature nobody has looked at: good for finding the key, no more.

    Raises Untrusted for what is none.
    """
    try:
        taken = jws.extract_compact(text.encode())
        header, claims = taken.headers(), json.loads(taken.payload or b"")
    except _BROKEN as error:
        raise Untrusted("It isn't a signed JWT.") from error
    if not isinstance(claims, dict):
        raise Untrusted("It isn't a signed JWT.")
    return header, claims


def check_age(claims: Mapping[str, Any], now: datetime) -> None:
    """Raises Untrusted for one that is older than MOST_AGE, or lives longer; one that doesn't say starts now."""
    at = int(now.timestamp())
    born = claims.get("iat", claims.get("nbf", at))
    if max(claims["exp"], at) - born > MOST_AGE.total_seconds() + LEEWAY:
        raise Untrusted("It is older than 24 hours, or good for longer.")


def _imported(source: object) -> KeySet:
    """Those keys of the set that can verify a signature: what isn't understood is left out (RFC 7517 §5).

    Raises Untrusted where none is left.
    """
    found: list[Key] = []
    keys = source.get("keys") if isinstance(source, Mapping) else None
    for each in keys if isinstance(keys, list) else ():
        if not _can_verify(each):
            continue
        try:
            found.append(import_key({name: value for name, value in each.items() if name not in _SECRET_MEMBERS}))
        except _BROKEN:
            continue
    if not found:
        raise Untrusted("The key set has no public RSA key (of 2048 bits or more) or EC key to verify with.")
    return KeySet(found)


def _can_verify(key: object) -> bool:
    if not isinstance(key, dict) or key.get("kty") not in _TYPES or key.get("use", "sig") != "sig":
        return False
    return key["kty"] != "RSA" or len(str(key.get("n", ""))) >= _SHORTEST_MODULUS


def _reason(error: Exception) -> str:
    if isinstance(error, ExpiredTokenError):
        return "It has expired."
    if isinstance(error, ClaimError):  # the name is one of those that are asked for
        return f"Its claim '{error.claim}' is missing or isn't the one that is trusted."
    if isinstance(error, InvalidKeyIdError):
        return "None of the issuer's keys is the one that it names."
    return "It isn't signed by one of the issuer's keys."
