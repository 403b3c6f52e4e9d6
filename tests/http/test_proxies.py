"""What proxies say of their clients is believed of trusted ones alone; every answer has its security headers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask, request

from scim_server.app import close, create_app
from scim_server.directory import Directory
from scim_server.settings import Settings
from scim_server.storage.upgrade import upgrade
from tests.support import Client, World, new_world

PROXY = "10.1.2.3"


@pytest.fixture(scope="module")
def proxied(new_database: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An application behind the proxies 10.0.0.0/8 and 2001:db8::1."""
    mail: Path = tmp_path_factory.mktemp("mail")
    settings = Settings(
        database_url=new_database("sqlite"), mail_folder=str(mail), trusted_proxies="10.0.0.0/8, 2001:db8::1"
    )
    app = create_app(settings)
    directory: Directory = app.extensions["directory"]
    upgrade(directory.engine)
    app.add_url_rule("/who", "who", lambda: f"{request.remote_addr} {request.scheme} {request.host}")
    yield app
    close(app)


def who(app: Flask, sender: str, **headers: str) -> str:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = app.test_client().get("/who", headers=sent, environ_base={"REMOTE_ADDR": sender})
    return answer.get_data(as_text=True)


def test_a_trusted_proxy_speaks_for_its_client(proxied: Flask) -> None:
    said = who(proxied, PROXY, X_Forwarded_For="192.0.2.7", X_Forwarded_Proto="https", X_Forwarded_Host="scim.test")
    assert said == "192.0.2.7 https scim.test"
    assert who(proxied, "2001:db8::1", X_Forwarded_For="[2001:db8::7]:4711") == "2001:db8::7 http localhost"


def test_nobody_else_does(proxied: Flask, app: Flask) -> None:
    forged = {"X_Forwarded_For": "192.0.2.7", "X_Forwarded_Proto": "https", "X_Forwarded_Host": "evil.test"}
    assert who(proxied, "198.51.100.1", **forged) == "198.51.100.1 http localhost"
    assert who(proxied, "2001:db8::2", **forged) == "2001:db8::2 http localhost"


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("1.1.1.1, 192.0.2.7", "192.0.2.7"),  # the client made up what stands left of it
        ("1.1.1.1, 192.0.2.7, 10.9.9.9", "192.0.2.7"),
        ("10.7.7.7", "10.7.7.7"),
        ("1.1.1.1, unknown, 10.9.9.9", "10.9.9.9"),
        ("unknown", PROXY),
        (" , ", PROXY),
        ("::ffff:192.0.2.7", "192.0.2.7"),
    ],
)
def test_the_client_is_the_nearest_that_is_no_proxy(proxied: Flask, chain: str, client: str) -> None:
    assert who(proxied, PROXY, X_Forwarded_For=chain) == f"{client} http localhost"


def test_the_nearest_proxys_word_counts(proxied: Flask) -> None:
    said = who(proxied, PROXY, X_Forwarded_Proto="http, https", X_Forwarded_Host="evil.test, scim.test")
    assert said == f"{PROXY} https scim.test"
    assert who(proxied, PROXY, X_Forwarded_Proto="gopher") == f"{PROXY} http localhost"


def test_locations_follow_a_trusted_proxy_alone(proxied: Flask) -> None:
    token = new_world(proxied).client().token
    sent = {"Authorization": f"Bearer {token}", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "scim.test"}
    for sender, base in ((PROXY, "https://scim.test"), ("192.0.2.9", "http://localhost")):
        answer = proxied.test_client().get(
            "/scim/v2/ServiceProviderConfig", headers=sent, environ_base={"REMOTE_ADDR": sender}
        )
        assert answer.json is not None
        assert answer.json["meta"]["location"] == f"{base}/scim/v2/ServiceProviderConfig"
        assert ("Strict-Transport-Security" in answer.headers) is (base.startswith("https"))


@pytest.mark.parametrize(
    "path", ["/scim/v2/Users", "/scim/v3", "/api/items", "/healthz", "/nowhere", "/scim/v2/Nothing"]
)
def test_every_answer_has_security_headers(world: World, client: Client, path: str) -> None:
    for sent in ({"Authorization": f"Bearer {client.token}"}, {}):
        answer = world.app.test_client().get(path, headers=sent)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "Strict-Transport-Security" not in answer.headers, "over http a browser must not believe it"
        answer = world.app.test_client().get(path, headers=sent, base_url="https://scim.test")
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=")


def test_networks_that_are_none_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("10.0.0.0/40", "proxy.test", "10.0.0.1/8"):
        with pytest.raises(ValueError, match="trusted_proxies"):
            Settings(trusted_proxies=wrong)
