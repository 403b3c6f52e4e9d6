"""Mail: what an invitation says, and how it leaves: into a folder, or to a real SMTP server on this machine."""

from __future__ import annotations

import email
import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import ValidationError

from scim_server import mail
from scim_server.app import close, create_app
from scim_server.directory import access
from scim_server.mail import Letter, MailFailed, message_of, post_of
from scim_server.settings import Settings
from tests.support import Client, World, free_port

SENDER = "Acme <no-reply@acme.example>"
SENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LETTER = Letter(
    to="ann@x.test",
    workspace="Acme",
    link="https://acme.example/invitation/secret-text",
    sent=SENT,
    expires=SENT + timedelta(days=7),
)


@dataclass
class Inbox:
    """What a mail server got; it refuses recipients at refused.test."""

    port: int
    envelopes: list[Envelope]

    @property
    def messages(self) -> list[EmailMessage]:
        return [parsed(each.original_content or b"") for each in self.envelopes]

    async def handle_RCPT(  # noqa: N802 - the names are aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, _: list[str]
    ) -> str:
        if address.endswith("@refused.test"):
            return "550 no such mailbox " + address
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.envelopes.append(envelope)
        return "250 OK"


@contextmanager
def smtp_server(**options: Any) -> Iterator[Inbox]:
    """A mail server on this machine."""
    inbox = Inbox(free_port(), [])
    controller = Controller(inbox, hostname="127.0.0.1", port=inbox.port, enable_SMTPUTF8=True, **options)
    controller.start()
    try:
        yield inbox
    finally:
        controller.stop()


def parsed(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def files(folder: Path) -> list[EmailMessage]:
    return [parsed(path.read_bytes()) for path in sorted(folder.glob("*.eml"))]


def test_a_message_says_who_what_where_and_until_when() -> None:
    message = message_of(LETTER, SENDER)
    assert (message["To"], message["From"]) == ("ann@x.test", SENDER)
    assert message["Subject"] == "Your invitation to Acme"
    assert message["Date"].datetime == SENT
    assert message["Message-ID"].endswith("@acme.example>")
    text = message.get_content()
    assert "\r\n" not in message["Subject"]
    assert LETTER.link in text.splitlines()
    assert "09 January 2026 at 03:04 UTC" in text


def test_the_secret_is_not_in_a_repr() -> None:
    assert "secret-text" not in repr(LETTER)
    assert "ann@x.test" not in repr(LETTER)


@pytest.mark.parametrize(
    "address",
    [
        "ann@x.test\r\nBcc: all@x.test",
        "ann@x.test\nSubject: other",
        "ann@x.test, bob@x.test",
        "Ann <ann@x.test>",
        "ann",
        "@x.test",
        "ann@",
        "a@b@c",
        "",
        "ann@x.test\x00",
        "ann @x.test",
        "a" * 320 + "@x.test",
    ],
)
def test_an_address_that_could_be_more_than_one_is_refused(address: str, folder: Path) -> None:
    assert not mail.is_address(address)
    with pytest.raises(MailFailed):
        post_of("", str(folder), SENDER)(replace(LETTER, to=address))
    assert not list(folder.iterdir())


def test_a_name_can_add_no_header(folder: Path) -> None:
    post = post_of("", str(folder), SENDER)
    with pytest.raises(MailFailed):
        post(replace(LETTER, workspace="Acme\r\nBcc: all@x.test"))
    with pytest.raises(MailFailed):
        post_of("", str(folder), "a@b.c\nBcc: all@x.test")(LETTER)
    assert not list(folder.iterdir())


def test_the_folder_is_made_and_closed_to_others(folder: Path) -> None:
    place = folder / "deep" / "mail"
    post_of("", str(place), SENDER)(LETTER)
    post_of("", str(place), SENDER)(replace(LETTER, workspace="Zürich AG " + "x" * 120))
    (first, second) = sorted(place.iterdir())
    assert {path.suffix for path in (first, second)} == {".eml"}
    assert first.stat().st_mode & 0o077 == 0
    assert place.stat().st_mode & 0o077 == 0
    assert all(LETTER.link in message.get_content().splitlines() for message in files(place))
    assert any("Zürich AG" in message["Subject"] for message in files(place))


def test_a_folder_that_is_a_file(folder: Path) -> None:
    (folder / "mail").write_text("")
    with pytest.raises(MailFailed, match="The invitation stands, but its mail was not sent: the mail folder"):
        post_of("", str(folder / "mail"), SENDER)(LETTER)


def test_by_smtp() -> None:
    with smtp_server() as inbox:
        post = post_of(f"smtp://127.0.0.1:{inbox.port}", "", SENDER)
        post(LETTER)
        post(replace(LETTER, to="jörg@x.test"))
    first, second = inbox.envelopes
    assert (first.mail_from, first.rcpt_tos) == ("no-reply@acme.example", ["ann@x.test"])
    assert second.rcpt_tos == ["jörg@x.test"]
    assert LETTER.link in inbox.messages[0].get_content().splitlines()


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_by_smtp_with_a_password() -> None:
    def check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data == LoginPassword(b"us@er", b"pass:word"), handled=False)

    options = {"authenticator": check, "auth_required": True, "auth_require_tls": False}
    with smtp_server(**options) as inbox:
        post_of(f"smtp://us%40er:pass%3Aword@127.0.0.1:{inbox.port}", "", SENDER)(LETTER)
        with pytest.raises(MailFailed, match="535"):
            post_of(f"smtp://us%40er:wrong@127.0.0.1:{inbox.port}", "", SENDER)(LETTER)
        with pytest.raises(MailFailed):
            post_of(f"smtp://127.0.0.1:{inbox.port}", "", SENDER)(LETTER)
    assert len(inbox.envelopes) == 1


def test_failures_name_no_address() -> None:
    with smtp_server() as inbox, pytest.raises(MailFailed, match="refused the address \\(550\\)") as refused:
        post_of(f"smtp://127.0.0.1:{inbox.port}", "", SENDER)(replace(LETTER, to="ann@refused.test"))
    assert "ann" not in str(refused.value)
    with pytest.raises(MailFailed, match="can't be reached"):
        post_of(f"smtp://127.0.0.1:{free_port()}", "", SENDER)(LETTER)
    with smtp_server() as inbox, pytest.raises(MailFailed):
        post_of(f"smtps://127.0.0.1:{inbox.port}", "", SENDER)(LETTER)
    assert not inbox.envelopes


@pytest.mark.parametrize("url", ["http://x", "smtp://", "mail.example", "smtp://host:port", "smtp://host:0"])
def test_a_mail_url_that_is_none(url: str) -> None:
    with pytest.raises(ValidationError, match="must be smtp://host"):
        Settings(mail_url=url)


@pytest.mark.parametrize("sender", ["", "nobody", "a@b.c\nBcc: d@e.f"])
def test_a_sender_that_is_none(sender: str) -> None:
    with pytest.raises(ValidationError, match="must be an e-mail address"):
        Settings(mail_from=sender)


def _inviting(world: World, **settings: Any) -> Client:
    """A client of a connection that invites, on the world's database with these settings."""
    name = f"inviting-{secrets.token_hex(4)}"
    access.create_connection(world.directory, world.name, name, own={"invite": True})
    _, token = access.create_token(world.directory, world.name, name, secrets.token_bytes)
    url = world.directory.engine.url.render_as_string(hide_password=False)
    return Client(create_app(Settings(database_url=url, **settings)), token)


def test_a_connection_that_invites_sends_one_mail(world: World) -> None:
    with smtp_server() as inbox:
        client = _inviting(world, mail_url=f"smtp://127.0.0.1:{inbox.port}", base_url="https://acme.example")
        user = client.user("ann@x.test", emails=[{"value": "home@x.test"}, {"value": "work@x.test", "primary": True}])
        path = f"/Users/{user['id']}"
        for _ in range(2):
            assert client.patch(path, {"op": "replace", "path": "active", "value": True}).json == user
        assert [each.rcpt_tos for each in inbox.envelopes] == [["work@x.test"]]
        lines = inbox.messages[0].get_content().splitlines()
        assert any(re.fullmatch(r"https://acme\.example/invitation/[\w-]{43}", line) for line in lines)
        client.patch(path, {"op": "replace", "path": "active", "value": False})
        assert len(inbox.envelopes) == 1, "deactivation mails nobody"
        client.patch(path, {"op": "replace", "path": "active", "value": True})
        assert len(inbox.envelopes) == 2
    close(client.app)


def test_a_dead_mail_server_fails_no_sync(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    client = _inviting(world, mail_url=f"smtp://127.0.0.1:{free_port()}")
    user = client.user("ann@x.test", emails=[{"value": "ann@x.test"}])
    assert client.get(f"/Users/{user['id']}").json == user
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "invitation_mail_failed" in line]
    assert [(line["contact_id"], "can't be reached" in line["reason"]) for line in lines] == [(user["id"], True)]
    assert "ann@x.test" not in str(lines)
    close(client.app)


@pytest.mark.parametrize("address", ["=?utf-8?q?a=40evil.x=0d=0aBcc=3aq=40evil.x?=@x.test", "=?utf-8?q?m=2C?=@x.test"])
def test_encoded_words_are_no_addresses(address: str) -> None:
    assert not mail.is_address(address)


def test_a_sign_in_link_invites_nobody() -> None:
    message = message_of(replace(LETTER, purpose="sign_in", workspace="A {workspace}"), "a@x.test")
    text = message.get_content()
    assert message["Subject"] == "Your sign-in link for A {workspace}", "a name is no pattern"
    assert LETTER.link in text.splitlines()
    assert "set a password" in text
    assert "invit" not in text.lower().replace(LETTER.link.lower(), "")
