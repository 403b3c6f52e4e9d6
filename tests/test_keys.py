"""Key sets and the JWTs that they verify: what is fetched, how often, from where, and what is refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey

from scim_server.keys import LARGEST, KeySets, Untrusted, opened
from tests.issuer import AUDIENCE, ISSUER, SUBJECT, Issuer, Source, epoch, published


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def source(folder: Path, issuer: Issuer) -> Iterator[Source]:
    with published(folder) as source:
        source.publish(issuer.key_set)
        yield source


def key_sets(source: Source) -> KeySets:
    return KeySets([source.host], str(source.certificates))


def verify(
    sets: KeySets, text: str, key_set: Mapping[str, Any], *, at: datetime | None = None, subject: str | None = SUBJECT
) -> Mapping[str, Any]:
    now = at or datetime.now(UTC)
    return sets.verify(text, key_set, issuer=ISSUER, audience=(AUDIENCE,), subject=subject, now=now)


def fetched(source: Source) -> Mapping[str, Any]:
    return {"jwks_uri": source.jwks_uri}


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256"])
def test_what_a_key_of_the_set_signed_is_believed(issuer: Issuer, alg: str) -> None:
    claims = verify(KeySets(), issuer.token(alg), issuer.key_set)
    assert (claims["iss"], claims["sub"]) == (ISSUER, SUBJECT)


def test_one_of_several_audiences_is_enough(issuer: Issuer) -> None:
    assert verify(KeySets(), issuer.token(aud=["api://other", AUDIENCE]), issuer.key_set)


def test_any_subject_where_none_is_asked_for(issuer: Issuer) -> None:
    assert verify(KeySets(), issuer.token(sub="somebody"), issuer.key_set, subject=None)


def test_headers_and_members_that_nobody_knows_change_nothing(issuer: Issuer) -> None:
    """As Entra has them: x5t in the header; x5c and issuer in its keys, and no alg."""
    keys = [
        {**key, "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0", "x5t": "abc"}
        for key in issuer.key_set["keys"]
    ]
    assert verify(KeySets(), issuer.token(header={"x5t": "abc", "nonce": "xyz"}), {"keys": keys})


WRONG: Mapping[str, tuple[Callable[[Issuer], str], str]] = {
    "iss": (lambda issuer: issuer.token(iss="https://evil.example"), "iss"),
    "no iss": (lambda issuer: issuer.token(iss=None), "iss"),
    "iss with a slash more": (lambda issuer: issuer.token(iss=f"{ISSUER}/"), "iss"),
    "aud": (lambda issuer: issuer.token(aud="api://other"), "aud"),
    "aud that begins alike": (lambda issuer: issuer.token(aud=f"{AUDIENCE}0"), "aud"),
    "no aud": (lambda issuer: issuer.token(aud=None), "aud"),
    "aud of another type": (lambda issuer: issuer.token(aud={AUDIENCE: 1}), "aud"),
    "sub": (lambda issuer: issuer.token(sub="somebody else"), "sub"),
    "no sub": (lambda issuer: issuer.token(sub=None), "sub"),
    "exp": (lambda issuer: issuer.token(exp=epoch(minutes=2)), "expired"),
    "no exp": (lambda issuer: issuer.token(exp=None), "exp"),
    "exp is text": (lambda issuer: issuer.token(exp=str(epoch(hours=-1))), "exp"),
    "exp beyond all time": (lambda issuer: issuer.token(exp=10**400), "24 hours"),
    "nbf": (lambda issuer: issuer.token(nbf=epoch(minutes=-2)), "nbf"),
    "iat to come": (lambda issuer: issuer.token(iat=epoch(minutes=-2)), "iat"),
    "a day old": (lambda issuer: issuer.token(iat=epoch(hours=24, minutes=2), exp=epoch(seconds=-30)), "24 hours"),
    "good for days": (lambda issuer: issuer.token(exp=epoch(days=-2)), "24 hours"),
    "good for days without iat": (lambda issuer: issuer.token(exp=epoch(days=-2), iat=None, nbf=None), "24 hours"),
    "jti of another type": (lambda issuer: issuer.token(jti=["a"]), "jti"),
    "alg none": (lambda issuer: issuer.unsigned(), "signed"),
    "alg HS256 with the public key": (lambda issuer: issuer.by_the_public_key(), "signed"),
    "unknown kid": (lambda issuer: issuer.token(header={"kid": "another"}), "keys"),
    "no kid": (lambda issuer: issuer.token(header={"kid": None}), "keys"),
    "another's key by this one's kid": (
        lambda issuer: Issuer().token(header={"kid": issuer.rsa.kid}),
        "signed",
    ),
    "the kid of a key of another kind": (lambda issuer: issuer.token(header={"kid": issuer.ec.kid}), "keys"),
    "changed": (lambda issuer: issuer.token().replace(".ey", ".eyJhIjoxfQ", 1), "signed"),
    "critical header": (lambda issuer: issuer.token(header={"crit": ["exp"], "exp": 1}), "signed"),
    "not a JWT": (lambda issuer: "a.b.c", "signed JWT"),
    "nothing": (lambda issuer: "", "signed JWT"),
    "not ASCII": (lambda issuer: "é.\udc80.c", "signed JWT"),
    "claims are a list": (lambda issuer: "eyJhbGciOiJSUzI1NiJ9.W10.AA", "signed JWT"),
}


def test_without_a_kid_the_only_key_of_the_set_counts(issuer: Issuer) -> None:
    text = issuer.token(header={"kid": None})
    only, other = (key.as_dict(private=False) for key in (issuer.rsa, issuer.ec))
    assert verify(KeySets(), text, {"keys": [only]})
    with pytest.raises(Untrusted, match="keys"):
        verify(KeySets(), text, {"keys": [only, other]})
    with pytest.raises(Untrusted):
        verify(KeySets(), text, {"keys": [other]})


@pytest.mark.parametrize("case", WRONG)
def test_refused(issuer: Issuer, case: str) -> None:
    make, said = WRONG[case]
    with pytest.raises(Untrusted, match=said):
        verify(KeySets(), make(issuer), issuer.key_set)


def test_clocks_may_differ_by_a_minute(issuer: Issuer) -> None:
    near: list[dict[str, Any]] = [{"exp": epoch(seconds=30)}, {"nbf": epoch(seconds=-30)}, {"iat": epoch(seconds=-30)}]
    for changes in near:
        assert verify(KeySets(), issuer.token(**changes), issuer.key_set)


def test_a_reason_quotes_nothing(issuer: Issuer) -> None:
    for changes in ({"iss": "https://evil.example"}, {"aud": "evil"}, {"sub": "evil"}, {"header": {"kid": "evil"}}):
        with pytest.raises(Untrusted) as refused:
            verify(KeySets(), issuer.token(**changes), issuer.key_set)
        assert "evil" not in str(refused.value)


def test_nested_beyond_reason() -> None:
    with pytest.raises(Untrusted):
        opened("eyJhbGciOiJSUzI1NiJ9." + "W1tb" * 20_000 + ".AA")


def test_keys_that_cant_verify_are_left_out(issuer: Issuer) -> None:
    good = issuer.key_set["keys"]
    useless: list[Any] = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
        {"kty": "AKP", "kid": "of the future"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "weak"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "broken"},
        {**good[0], "use": "enc", "kid": "for letters"},
        "no key",
    ]
    assert verify(KeySets(), issuer.token(), {"keys": [*useless, *good]})
    with pytest.raises(Untrusted, match="no public"):
        KeySets().check({"keys": useless[1:]})


def test_a_shared_key_verifies_nothing(issuer: Issuer) -> None:
    shared = OctKey.generate_key(256, {"kid": issuer.rsa.kid or ""})
    keys = {"keys": [*issuer.key_set["keys"], shared.as_dict(private=True)]}
    with pytest.raises(Untrusted):
        verify(KeySets(), issuer.by_the_public_key(), keys)


def test_sources(issuer: Issuer) -> None:
    sets = KeySets(["Login.Example", "keys.example:8443"])
    for right in (
        {"jwks_uri": "https://login.example/keys"},
        {"jwks_uri": "https://LOGIN.example:443/keys?a=b"},
        {"jwks_uri": "https://keys.example:8443/keys"},
        issuer.key_set,
    ):
        sets.check(right)
    private = RSAKey.generate_key(2048).as_dict(private=True)
    wrong_ones: list[dict[str, Any]] = [
        {},
        {"keys": []},
        {"keys": "x"},
        {"keys": [private]},
        {"keys": [*issuer.key_set["keys"], {"kty": "oct", "k": "c2VjcmV0"}]},
        {"keys": [], "jwks_uri": "https://login.example/keys"},
        {"jwks_uri": None},
        {"jwks_uri": "http://login.example/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "https://login.example:8443/keys"},
        {"jwks_uri": "https://keys.example/keys"},
        {"jwks_uri": "https://login.example.evil.example/keys"},
        {"jwks_uri": "https://evil.example/login.example"},
        {"jwks_uri": "https://login.example@evil.example/keys"},
        {"jwks_uri": "https://user:secret@login.example/keys"},
        {"jwks_uri": "https://evil.example\\@login.example/keys"},
        {"jwks_uri": "https://127.0.0.1/keys"},
        {"jwks_uri": "https://169.254.169.254/latest/meta-data"},
        {"jwks_uri": "https://login.example/keys#fragment"},
        {"jwks_uri": "https:///keys"},
        {"jwks_uri": "https://[::1/keys"},
        {"jwks_uri": ""},
    ]
    for wrong in wrong_ones:
        with pytest.raises(Untrusted):
            sets.check(wrong)
        if "jwks_uri" in wrong:
            with pytest.raises(Untrusted):
                sets.keys_for(wrong, None, datetime.now(UTC))


def test_a_set_is_fetched_once_an_hour(issuer: Issuer, source: Source) -> None:
    sets, now = key_sets(source), datetime.now(UTC)
    for minutes in (0, 1, 30, 59):
        sets.keys_for(fetched(source), issuer.rsa.kid, now + timedelta(minutes=minutes))
    assert source.asked == 1
    sets.keys_for(fetched(source), issuer.rsa.kid, now + timedelta(minutes=61))
    assert source.asked == 2


def test_a_fetched_set_verifies(issuer: Issuer, source: Source) -> None:
    assert verify(key_sets(source), issuer.token("ES256"), fetched(source))


def test_a_key_that_is_gone_verifies_no_more(issuer: Issuer, source: Source) -> None:
    sets, text = key_sets(source), issuer.token(exp=epoch(hours=-3))
    assert verify(sets, text, fetched(source))
    source.publish(Issuer().key_set)
    with pytest.raises(Untrusted):
        verify(sets, text, fetched(source), at=datetime.now(UTC) + timedelta(hours=1, minutes=1))


def test_an_unknown_kid_has_the_set_fetched_again_and_not_again_for_a_minute(issuer: Issuer, source: Source) -> None:
    sets, now, other = key_sets(source), datetime.now(UTC), Issuer()
    assert verify(sets, issuer.token(), fetched(source), at=now)
    for _ in range(3):
        with pytest.raises(Untrusted, match="keys"):
            verify(sets, other.token(), fetched(source), at=now)
    assert source.asked == 2
    source.publish(other.key_set)
    later = now + timedelta(minutes=1)
    assert verify(sets, other.token(), fetched(source), at=later)
    assert source.asked == 3


def test_a_new_key_counts_at_once(issuer: Issuer, source: Source) -> None:
    sets, now, other = key_sets(source), datetime.now(UTC), Issuer()
    assert verify(sets, issuer.token(), fetched(source), at=now)
    source.publish({"keys": [*issuer.key_set["keys"], *other.key_set["keys"]]})
    assert verify(sets, other.token(), fetched(source), at=now)


def test_a_source_that_is_down_is_bridged_for_a_day(issuer: Issuer, source: Source) -> None:
    sets, now = key_sets(source), datetime.now(UTC)
    sets.keys_for(fetched(source), issuer.rsa.kid, now)
    source.status = 503
    for hours in (2, 23):
        assert sets.keys_for(fetched(source), issuer.rsa.kid, now + timedelta(hours=hours))
    assert source.asked == 3
    assert sets.keys_for(fetched(source), issuer.rsa.kid, now + timedelta(hours=23, seconds=59))
    assert source.asked == 3, "asked at most once a minute"
    with pytest.raises(Untrusted, match="fetched"):
        sets.keys_for(fetched(source), issuer.rsa.kid, now + timedelta(hours=24))
    source.status = 200
    assert sets.keys_for(fetched(source), issuer.rsa.kid, now + timedelta(hours=25))


def test_nobody_waits_for_a_set_that_there_is(issuer: Issuer, source: Source) -> None:
    sets, now, asked = key_sets(source), datetime.now(UTC), threading.Semaphore(0)
    sets.keys_for(fetched(source), issuer.rsa.kid, now)
    source.gate = threading.Event()
    source.heard = asked.release
    later = now + timedelta(hours=2)
    asking = threading.Thread(target=sets.keys_for, args=(fetched(source), issuer.rsa.kid, later))
    asking.start()
    assert asked.acquire(timeout=30)
    assert sets.keys_for(fetched(source), issuer.rsa.kid, later), "while another asks"
    assert asking.is_alive()
    source.gate.set()
    asking.join(30)
    assert source.asked == 2


def test_who_has_no_set_yet_waits_for_the_one_that_asks(issuer: Issuer, source: Source) -> None:
    sets, now = key_sets(source), datetime.now(UTC)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: sets.keys_for(fetched(source), issuer.rsa.kid, now), range(8)))
    assert source.asked == 1
    assert all(found)


@pytest.mark.parametrize("kept", [False, True])
def test_a_source_that_never_comes_to_an_end_holds_nobody(issuer: Issuer, source: Source, kept: bool) -> None:
    sets, now = KeySets([source.host], str(source.certificates), timeout=0.5), datetime.now(UTC)
    if kept:
        sets.keys_for(fetched(source), issuer.rsa.kid, now)
    source.drips = True
    later = now + timedelta(hours=2)
    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(sets.keys_for, fetched(source), issuer.rsa.kid, later) for _ in range(4)]
        refused = [type(each.exception(60)) for each in asking]
    assert refused == [type(None) if kept else Untrusted] * 4
    assert source.asked == 1 + kept
    assert source.hung_up.wait(60), "and nothing goes on in the background"


UNUSABLE: Mapping[str, dict[str, Any]] = {
    "an error": {"status": 500},
    "a redirect": {"status": 302, "headers": {"Location": "https://127.0.0.1/"}},
    "not JSON": {"body": b"<html>"},
    "no keys": {"body": b'{"keys": []}'},
    "a list": {"body": b"[]"},
    "nested beyond reason": {"body": b"[" * 100_000},
    "too large": {"body": b" " * (LARGEST + 1)},
    "packed": {"headers": {"Content-Encoding": "gzip"}, "body": b"\x1f\x8b"},
    "cut off": {"headers": {"Content-Length": "100000"}},
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_answer_that_is_no_key_set(source: Source, case: str) -> None:
    good = source.body
    for name, value in UNUSABLE[case].items():
        setattr(source, name, value)
    if case == "too large":
        source.body = json.dumps({**json.loads(good), "more": " " * LARGEST}).encode()
    sets, now = key_sets(source), datetime.now(UTC)
    for _ in range(2):
        with pytest.raises(Untrusted, match="fetched"):
            sets.keys_for(fetched(source), None, now)
    assert source.asked == 1
    source.status, source.body, source.headers = 200, good, {}
    assert sets.keys_for(fetched(source), None, now + timedelta(minutes=1))


def test_a_redirect_is_not_followed(issuer: Issuer, source: Source, folder: Path) -> None:
    (folder / "other").mkdir()
    with published(folder / "other") as other:
        other.publish(issuer.key_set)
        source.status, source.headers = 302, {"Location": other.jwks_uri}
        sets = KeySets([source.host, other.host], str(source.certificates))
        with pytest.raises(Untrusted):
            sets.keys_for(fetched(source), None, datetime.now(UTC))
        assert other.asked == 0


def test_a_certificate_that_nobody_vouches_for(source: Source) -> None:
    with pytest.raises(Untrusted):
        KeySets([source.host]).keys_for(fetched(source), None, datetime.now(UTC))
    assert source.asked == 0
