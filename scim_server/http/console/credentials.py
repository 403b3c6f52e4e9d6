"""What a connection authenticates by: its tokens, OAuth clients with their secrets, and trusted issuers.

The text of what is made stands once, on the page that answers the form: in no URL, cookie or log. Knows no rules: it
asks the directory, which keeps hashes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import Response, request, session
from uuid_utils import uuid7
from werkzeug.wrappers import Response as AnyResponse

from scim_server.directory import access, clients
from scim_server.directory.access import MOST_TOKEN_DAYS, TOKEN_DAYS, NotAllowed, Unknown
from scim_server.directory.clients import MOST_SECRET_DAYS, SECRET_DAYS, Listed
from scim_server.domain.connection import Connection
from scim_server.domain.errors import Refused
from scim_server.domain.roles import SCOPES, Permission
from scim_server.http.consent import WORDS
from scim_server.http.console.frame import Visitor, console, directory, done, show, told, visitor
from scim_server.http.console.provisioning import HOME, ONE, addresses, held, one_of
from scim_server.http.pages import at

# What the scope `scim` is made of, which forms offer one by one.
OFFERED: Final = tuple(each for each in Permission if each in SCOPES["scim"])
_SENT: Final = "sent"  # where the cookie keeps which forms were sent
_MOST_SENT: Final = 8
_CLIENT: Final = f"{ONE}/clients/<client_id>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """An end to something, before it is made: what is asked, what will happen, and what is said when it is done."""

    title: str
    words: Sequence[str]
    said: str
    act: Callable[[], None]


@console.route(f"{ONE}/tokens/new", methods=["GET", "POST"])
def new_token(connection_id: str) -> AnyResponse:
    """Make a bearer token; the answer to the form is the one page that has its text."""
    found, connection = _asked(connection_id)
    values = {"connection": connection, "most": MOST_TOKEN_DAYS, "action": "tokens/new"}
    if request.method != "POST":
        return _form(found, "token_new.html", values, days=TOKEN_DAYS)
    if _was_sent():
        return _made_already(connection)
    try:
        token, text = access.create_token(
            directory(),
            found.workspace,
            connection.name,
            directory().random_bytes,
            scopes=_scopes(),
            expires_in_days=_days(),
            actor=found.actor,
        )
    except Refused as error:
        return _form(found, "token_new.html", values, error=error)
    _note_sent()
    return show(found, "token_made.html", connection=connection, token=token, text=text, addresses=addresses())


@console.route(f"{ONE}/tokens/<token_id>/revoke", methods=["GET", "POST"])
def revoke_token(connection_id: str, token_id: str) -> AnyResponse:
    """End a token."""
    found, connection = _asked(connection_id)
    token = next((each for each in held(found, connection).tokens if each.id == token_id), None)
    if token is None:
        raise Unknown(f"The connection has no token {token_id[:64]!r}.")

    def act() -> None:
        access.revoke_token(directory(), found.workspace, connection.name, token_id, actor=found.actor)

    return _answered(
        found,
        connection,
        Question(
            title=f"Revoke the token …{token.hint}?",
            words=(
                "From the next request on, whoever sends it is refused (401).",
                "Enter another live token at the identity provider first, or its syncs fail until then.",
            ),
            said=f"The token …{token.hint} is revoked.",
            act=act,
        ),
    )


@console.route(f"{ONE}/clients/new", methods=["GET", "POST"])
def new_client(connection_id: str) -> AnyResponse:
    """Make an OAuth client with a secret; the answer to the form is the one page that has its text."""
    found, connection = _asked(connection_id)
    values = {"connection": connection, "most": MOST_SECRET_DAYS, "addresses": addresses()}
    if request.method != "POST":
        return _form(found, "client_new.html", values, days=SECRET_DAYS)
    if _was_sent():
        return _made_already(connection)
    try:
        client, secret, text = clients.create_client(
            directory(),
            found.workspace,
            connection.name,
            request.form.get("name", ""),
            scopes=_scopes(),
            redirect_uris=request.form.get("redirect_uris", "").split(),
            pkce="without_pkce" not in request.form,
            expires_in_days=_days(),
            actor=found.actor,
        )
    except Refused as error:
        return _form(found, "client_new.html", values, error=error)
    return _secret_made(found, connection, Listed(client=client, secrets=[secret] if secret else []), text)


@console.route(f"{_CLIENT}/rotate", methods=["GET", "POST"])
def rotate_client(connection_id: str, client_id: str) -> AnyResponse:
    """Make one more secret of a client, beside the others or in their place."""
    found, connection = _asked(connection_id)
    listed = _client(found, connection, client_id)
    values = {"connection": connection, "listed": listed, "most": MOST_SECRET_DAYS}
    if request.method != "POST":
        return _form(found, "client_rotate.html", values, days=SECRET_DAYS)
    if _was_sent():
        return _made_already(connection)
    try:
        secret, text = clients.rotate(
            directory(),
            found.workspace,
            client_id,
            expires_in_days=_days(),
            revoke_others=request.form.get("others") == "end",
            actor=found.actor,
        )
    except Refused as error:
        return _form(found, "client_rotate.html", values, error=error)
    return _secret_made(found, connection, Listed(client=listed.client, secrets=[secret]), text)


@console.route(f"{_CLIENT}/revoke", methods=["GET", "POST"])
def revoke_client(connection_id: str, client_id: str) -> AnyResponse:
    """End a client with all it has."""
    found, connection = _asked(connection_id)
    client = _client(found, connection, client_id).client
    return _answered(
        found,
        connection,
        Question(
            title=f"Revoke the client {client.name}?",
            words=(
                "Its secrets, its tokens and what it is trusted by end at once, and for good. So does the consent "
                "that an administrator gave it.",
                "Whoever uses it is refused from the next request on.",
            ),
            said=f"The client {client.name} is revoked.",
            act=lambda: clients.revoke_client(directory(), found.workspace, client_id, actor=found.actor),
        ),
    )


@console.route(f"{_CLIENT}/secrets/<secret_id>/revoke", methods=["GET", "POST"])
def revoke_secret(connection_id: str, client_id: str, secret_id: str) -> AnyResponse:
    """End one secret of a client."""
    found, connection = _asked(connection_id)
    listed = _client(found, connection, client_id)
    secret = next((each for each in listed.secrets if each.id == secret_id), None)
    if secret is None:
        raise Unknown(f"The client has no secret {secret_id[:64]!r}.")

    def act() -> None:
        clients.revoke_secret(directory(), found.workspace, client_id, secret_id, actor=found.actor)

    return _answered(
        found,
        connection,
        Question(
            title=f"Revoke the secret …{secret.hint} of {listed.client.name}?",
            words=(
                "Nobody gets tokens by it from the next request on. Tokens that were had by it last until their own "
                "end.",
                "If it has leaked, rotate the client in place of this, and end the others: that ends its tokens too.",
            ),
            said=f"The secret …{secret.hint} is revoked.",
            act=act,
        ),
    )


@console.route(f"{ONE}/trusts/<trust_id>/revoke", methods=["GET", "POST"])
def revoke_trust(connection_id: str, trust_id: str) -> AnyResponse:
    """Trust an issuer no more."""
    found, connection = _asked(connection_id)
    trust = next((each for each in held(found, connection).trusts if each.id == trust_id), None)
    if trust is None:
        raise Unknown(f"The connection has no trust {trust_id[:64]!r}.")

    def act() -> None:
        clients.revoke_trust(directory(), found.workspace, connection.name, trust_id, actor=found.actor)

    return _answered(
        found,
        connection,
        Question(
            title="Trust this issuer no more?",
            words=(
                f"Tokens of {trust.issuer} are refused from the next request on.",
                "Whoever runs the server can trust it again, at the command line alone.",
            ),
            said="The issuer is trusted no more.",
            act=act,
        ),
    )


def _asked(connection_id: str) -> tuple[Visitor, Connection]:
    found = visitor(Permission.WORKSPACE_MANAGE)
    return found, one_of(found, connection_id)


def _client(found: Visitor, connection: Connection, client_id: str) -> Listed:
    """The connection's client of that id. Raises Unknown, for those of other connections too."""
    for each in held(found, connection).clients:
        if each.client.id == client_id:
            return each
    raise Unknown(f"The connection has no client {client_id[:64]!r}.")


def _answered(found: Visitor, connection: Connection, question: Question) -> AnyResponse:
    """The question, or what comes after a yes."""
    path = f"{HOME}/{connection.id}"
    if request.method == "POST":
        question.act()
        return done(question.said, path)
    back = at(f"/console{path}")
    return show(found, "revoke.html", title=question.title, words=question.words, back=back, yes="Revoke", danger=True)


def _form(
    found: Visitor, template: str, values: Mapping[str, Any], *, days: int = 0, error: Refused | None = None
) -> Response:
    """A form that makes something, new or with what was typed and why that can't be. It can be sent once."""
    form = request.form
    problem, status = ("", 200) if error is None else told(error)
    typed: dict[str, Any] = {
        "chosen": _chosen() if form else ["scim"],
        "form": form,
        "days": form.get("days", str(days)),
        "words": {each.value: WORDS[each] for each in OFFERED},
        "once": str(uuid7()),
        "problem": problem,
    }
    return show(found, template, status, **typed, **values)


def _secret_made(found: Visitor, connection: Connection, listed: Listed, text: str | None) -> Response:
    _note_sent()
    values: dict[str, Any] = {
        "client": listed.client,
        "secret": listed.secrets[0],
        "text": text,
        "addresses": addresses(),
    }
    return show(found, "secret_made.html", connection=connection, **values)


def _made_already(connection: Connection) -> AnyResponse:
    """To who reloads the page that a text stood on."""
    words = "That was made already, and its text is shown once. If it is lost, make another, and revoke the lost one."
    return done(words, f"{HOME}/{connection.id}", "warn")


def _once() -> str:
    return request.form.get("once", "")[:36]


def _was_sent() -> bool:
    return _once() in session.get(_SENT, [])


def _note_sent() -> None:
    """Remember that this form was sent: a reload of the answer sends it again, which must not make another."""
    session[_SENT] = [*session.get(_SENT, []), _once()][-_MOST_SENT:]


def _chosen() -> list[str]:
    return [each for each in ("scim", *OFFERED) if f"scope.{each}" in request.form]


def _scopes() -> str:
    """What was chosen. Raises NotAllowed for nothing."""
    if not _chosen():
        raise NotAllowed("Choose what it may do: at least one of the boxes.")
    return " ".join(_chosen())


def _days() -> int:
    """How long it counts. Raises NotAllowed for what is no number."""
    typed = request.form.get("days", "").strip()
    if not (typed.isascii() and typed.isdigit() and len(typed) <= 6):
        raise NotAllowed("The days are a whole number, such as 365.")
    return int(typed)
