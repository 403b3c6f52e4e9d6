"""Mail: invitations and sign-in links as messages, sent by SMTP or written into a folder.

Knows no storage and no rule of the product. Nothing else is ever mailed; deactivation tells nobody (lifecycle.md T8).
"""

from __future__ import annotations

import os
import re
import secrets
import smtplib
import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from scim_server.domain.errors import Refused
from scim_server.loopback import is_loopback

SECONDS: Final = 10  # to wait for a mail server: somebody waits for the answer
_PORTS: Final = {"smtp": 25, "smtps": 465}
Purpose: TypeAlias = Literal["invitation", "sign_in"]
# One address and nothing else: no list, no name, no quoting, nothing that could begin another header.
_ADDRESS: Final = re.compile(r"[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f]+@[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f]+")


class MailFailed(Refused):
    """A letter that didn't go out; the link in it is saved. Names no address, so it can be logged."""

    code = "mail_failed"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"The invitation stands, but its mail was not sent: {reason}. "
            "When that is mended, resend the invitation; its link is a new one."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a letter says: `link` holds the secret, so it is never logged and never shown in a repr."""

    to: str
    workspace: str
    link: str
    sent: datetime
    expires: datetime
    purpose: Purpose = "invitation"

    def __repr__(self) -> str:
        return f"Letter(workspace={self.workspace!r}, expires={self.expires!r})"


Post = Callable[[Letter], None]

# Purpose → the subject, and what stands before the link and at the end
_WORDS: Final[Mapping[Purpose, tuple[str, str, str]]] = {
    "invitation": (
        "Your invitation to {workspace}",
        "You are invited to the workspace {workspace}.\n\nOpen this link to accept:",
        "If you don't know the workspace, ignore this message.",
    ),
    "sign_in": (
        "Your sign-in link for {workspace}",
        "You may sign in to the workspace {workspace}.\n\nOpen this link to set a password:",
        "If you have a password and didn't ask for another, ignore this message: yours stays as it is.",
    ),
}


def is_address(text: str) -> bool:
    """Whether `text` is one plain e-mail address that a message can safely be addressed to."""
    # what begins with =? would be decoded (RFC 2047), and could be anything then
    return len(text) <= 320 and text.isprintable() and "=?" not in text and _ADDRESS.fullmatch(text) is not None


def message_of(letter: Letter, sender: str) -> EmailMessage:
    """The message. Raises MailFailed for an address or a sender that can't stand in a header."""
    subject, before, after = _WORDS[letter.purpose]
    if not is_address(letter.to):
        raise MailFailed("the address is not an e-mail address")
    message = EmailMessage(policy=policy.SMTP if letter.to.isascii() else policy.SMTPUTF8)
    local, _, domain = letter.to.rpartition("@")
    try:
        message["From"] = sender
        message["To"] = Address(username=local, domain=domain)
        message["Subject"] = subject.format(workspace=letter.workspace.replace("=?", "= ?"))
    except ValueError as error:
        raise MailFailed("the addresses or the workspace's name can't stand in a message") from error
    message["Date"] = format_datetime(letter.sent)
    message["Message-ID"] = f"<{secrets.token_hex(16)}@{_domain(message)}>"
    message["Auto-Submitted"] = "auto-generated"
    text = (
        f"{before.format(workspace=letter.workspace)}\n\n{letter.link}\n\n"
        f"It is for you alone, works once, and ends on {letter.expires:%d %B %Y at %H:%M} UTC.\n{after}\n"
    )
    message.set_content(text, cte="7bit" if text.isascii() else "8bit")  # lines stay whole, and so does the link
    return message


def _domain(message: EmailMessage) -> str:
    """The sender's domain, for the Message-ID."""
    addresses = message["From"].addresses
    return (addresses[0].domain if addresses else "") or "localhost"


def post_of(url: str, folder: str, sender: str) -> Post:
    """What sends letters: by the SMTP server at `url`, or into `folder` where there is none."""
    if url:
        return partial(_send, urlsplit(url), sender)
    return partial(_write, Path(folder), sender)


def no_post(_: Letter) -> None:
    """Sends nothing. Raises MailFailed."""
    raise MailFailed("this process sends no mail")


def _write(folder: Path, sender: str, letter: Letter) -> None:
    """Write the message into a file of its own, which its owner alone can read: it holds the link."""
    message = message_of(letter, sender)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=f"{letter.sent:%Y%m%dT%H%M%S}-", suffix=".part", dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(bytes(message))
        Path(part).replace(Path(part).with_suffix(".eml"))
    except OSError as error:
        raise MailFailed(f"the mail folder can't be written to: {error.strerror or type(error).__name__}") from error


def _send(url: SplitResult, sender: str, letter: Letter) -> None:
    message = message_of(letter, sender)
    try:
        with _connected(url) as server:
            server.send_message(message)
    except (smtplib.SMTPException, OSError) as error:
        raise MailFailed(_reason(error)) from error


def _connected(url: SplitResult) -> smtplib.SMTP:
    """The mail server, over TLS where it can, and signed in to where the URL says as whom."""
    host, port = url.hostname or "localhost", url.port or _PORTS[url.scheme]
    context = ssl.create_default_context()
    if url.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=SECONDS)
    try:
        _sign_in(server, url, host, context)
    except BaseException:
        server.close()
        raise
    return server


def _sign_in(server: smtplib.SMTP, url: SplitResult, host: str, context: ssl.SSLContext) -> None:
    safe = url.scheme == "smtps" or is_loopback(host)
    server.ehlo_or_helo_if_needed()
    if url.scheme == "smtp" and server.has_extn("starttls"):
        server.starttls(context=context)
        safe = True
    if url.username is None:
        return
    if not safe:
        raise MailFailed("the mail server offers no TLS, and the password would travel in the open")
    server.login(unquote(url.username), unquote(url.password or ""))


def _reason(error: Exception) -> str:
    """Why it wasn't sent, without the server's own words, which quote addresses."""
    match error:
        case smtplib.SMTPRecipientsRefused(recipients=refused):
            codes = sorted({str(code) for code, _ in refused.values()})
            return f"the mail server refused the address ({', '.join(codes)})"
        case smtplib.SMTPResponseException(smtp_code=code):
            return f"the mail server answered {code}"
        case OSError(strerror=str(words)):
            return f"the mail server can't be reached: {words}"
        case _:
            return f"the mail server failed: {type(error).__name__}"
