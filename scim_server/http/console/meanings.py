"""What an answer in the request log means to an administrator, and what to do about it: a table. Knows no requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Link = tuple[str, str]  # a path behind /console, and its label; {connection} in the path is the connection's id

_TOKENS: Final[Link] = ("/settings/provisioning/{connection}", "Open the connection")
_SETTINGS: Final[Link] = ("/settings/provisioning/{connection}/settings", "Open the connection's settings")
_LICENCES: Final[Link] = ("/settings/licences", "Open Licences")
_WORKSPACE: Final[Link] = ("/settings/workspace", "Open Workspace")
_USERS: Final[Link] = ("/contacts", "Open Contacts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What an answer of `status` whose error holds `has` (in any case; "" for any) means.

    `title` and `words` say what happened, `advice` what to do, "" for nothing; `link` leads there.
    """

    status: int
    has: str = ""
    title: str
    words: str
    advice: str = ""
    link: Link | None = None


# The first that fits counts.
MEANINGS: Final = (
    Meaning(status=200, title="Done", words="The request was carried out, or what it asked for was read."),
    Meaning(status=201, title="Created", words="Something new was made, or someone deactivated is active again."),
    Meaning(status=204, title="Done", words="The request was carried out. There was nothing to say."),
    Meaning(status=304, title="Not changed", words="What the client has is still what there is."),
    Meaning(
        status=400,
        has="invalidFilter",
        title="The search can't be carried out",
        words="The filter is malformed, or names an attribute that there isn't. What was searched for is left out of "
        "this log; where the filter breaks stands in the error.",
        advice="Mend the matching attribute, or the filter expression, in the identity provider's settings: "
        "a search by userName always works.",
    ),
    Meaning(
        status=400,
        has="invalidPath",
        title="An attribute isn't known here",
        words="The request would change an attribute whose name is malformed or isn't in the schemas.",
        advice="Remove or mend that row of the attribute mapping at the identity provider. Presets other than strict "
        "leave out what isn't known.",
        link=_TOKENS,
    ),
    Meaning(
        status=400,
        has="noTarget",
        title="There was nothing to change",
        words="The request would change a value that the user or group doesn't have.",
        advice="Have the identity provider send the whole value once, or use a preset other than strict, which "
        "forgives it.",
        link=_TOKENS,
    ),
    Meaning(
        status=400,
        has="mutability",
        title="The attribute can't be changed",
        words="The request would set something that the server alone decides.",
        advice="Remove that row of the attribute mapping at the identity provider.",
    ),
    Meaning(
        status=400,
        has="licence type",
        title="There is no such licence type",
        words="The user is to have a licence type that the workspace doesn't have.",
        advice="Mend the licence's name in the attribute mapping, or make the licence type here.",
        link=_LICENCES,
    ),
    Meaning(
        status=400,
        has="invalidValue",
        title="A value doesn't fit",
        words="A value that is needed is missing, or one has the wrong form. The error names the attribute.",
        advice="Look at the person's attributes, and at the mapping, in the identity provider. Every user needs a "
        "userName, every group a displayName.",
    ),
    Meaning(
        status=400,
        has="invalidSyntax",
        title="The request can't be read",
        words="Its body isn't what SCIM has there. Nothing was changed.",
        advice="With an integration of your own: compare the body with RFC 7644. Else tell whoever makes the client, "
        "with this request's id.",
    ),
    Meaning(
        status=400,
        has="cursor",
        title="The list has to be read from its start",
        words="The place in the list is no longer good.",
        advice="The client reads the list again; nothing is to be done here.",
    ),
    Meaning(
        status=400,
        has="invalid_client",
        title="The client couldn't prove who it is",
        words="Its secret or assertion isn't one that counts.",
        advice="Enter a live secret at the identity provider: rotate the client's secret for a new one.",
        link=_TOKENS,
    ),
    Meaning(
        status=400,
        has="invalid_grant",
        title="The consent is used up",
        words="A code or refresh token came late, or a second time: then all tokens of that consent have ended.",
        advice="Have an administrator consent again, from the identity provider's form.",
    ),
    Meaning(
        status=400,
        has="unauthorized_client",
        title="The client may not get tokens this way",
        words="A client with redirect URIs gets tokens by an administrator's consent alone; any other by its secret "
        "alone.",
        advice="Make a second client for the other way.",
        link=_TOKENS,
    ),
    Meaning(
        status=400,
        has="invalid_scope",
        title="The client asks for too much",
        words="It asks for a scope that there isn't, or that it may not have.",
        advice="Leave the scope empty at the identity provider, or make a client with that scope.",
        link=_TOKENS,
    ),
    Meaning(
        status=400,
        title="The request isn't valid",
        words="It was refused whole, and nothing was changed. The error says why.",
    ),
    Meaning(
        status=401,
        has="expired",
        title="The token or secret has expired",
        words="It was good once, and its time is over. Nothing is synced until there is a new one.",
        advice="Make a new token (or rotate the client's secret), and enter it at the identity provider.",
        link=_TOKENS,
    ),
    Meaning(
        status=401,
        has="revoked",
        title="The token or secret was revoked",
        words="Somebody ended it; the identity provider still sends it.",
        advice="Enter a live token or secret at the identity provider. If the old one leaked, see from where it comes.",
        link=_TOKENS,
    ),
    Meaning(
        status=401,
        has="Bearer",
        title="The token came without “Bearer”",
        words="The identity provider sends the token alone.",
        advice="Write the word Bearer and a space before the token there, or switch the setting bare_token on.",
        link=_SETTINGS,
    ),
    Meaning(
        status=401,
        has="in place of a token",
        title="A client's id and secret came in place of a token",
        words="The identity provider uses Basic authentication.",
        advice="Choose a bearer token there, or switch the setting basic_auth on.",
        link=_SETTINGS,
    ),
    Meaning(
        status=401,
        title="The token wasn't accepted",
        words="It isn't one that counts, or the person that it acts for has no access any more.",
        advice="Make a new token, and enter it at the identity provider.",
        link=_TOKENS,
    ),
    Meaning(
        status=403,
        has="No free",
        title="No free seat",
        words="All purchased seats are in use or reserved, so nobody was let in. Nothing was changed.",
        advice="Deactivate a user or add seats. Entra tries again by itself; in Okta retry the task.",
        link=_LICENCES,
    ),
    Meaning(
        status=403,
        has="workspace owner can't be",
        title="The owner is protected",
        words="The identity provider would deactivate or delete the owner of the workspace, which nobody can.",
        advice="Transfer ownership to somebody else first, or leave the owner assigned at the identity provider.",
        link=_WORKSPACE,
    ),
    Meaning(
        status=403,
        has="owner's role",
        title="The owner's role can't be given",
        words="The identity provider would give or take the role of the owner.",
        advice="Map the roles admin, team or client there. Ownership is transferred here.",
        link=_WORKSPACE,
    ),
    Meaning(
        status=403,
        has="insufficient_scope",
        title="The token isn't allowed to do this",
        words="It lacks the permission that the error names. Nothing was changed.",
        advice="Make a token with that scope, and enter it at the identity provider. The scope scim has all that "
        "syncing needs.",
        link=_TOKENS,
    ),
    Meaning(
        status=403,
        has="may not delete",
        title="Deleting is switched off",
        words="The identity provider would remove a person for good, and this connection may not.",
        advice="Choose deactivation as the remove action there, or switch the setting allow_delete on.",
        link=_SETTINGS,
    ),
    Meaning(
        status=403,
        title="A rule of the workspace says no",
        words="The error says which. Nothing was changed.",
    ),
    Meaning(
        status=404,
        has="no such endpoint",
        title="There is nothing at this address",
        words="The address has a part that SCIM doesn't have here. Which one is left out of this log, as what a client "
        "sent is.",
        advice="Compare the URL at the identity provider with the SCIM base URL, letter for letter: mostly a part is "
        "missing, or stands twice.",
        link=_TOKENS,
    ),
    Meaning(
        status=404,
        title="There is no such user or group",
        words="It was deleted, or never was in this workspace. Whoever was deleted can't come back under the same id.",
        advice="Most identity providers then search by userName, and create the person again. If this one doesn't, "
        "unassign and assign the person there, or clear its stored id.",
    ),
    Meaning(
        status=405,
        title="The address doesn't take this method",
        words="The client asks for something that SCIM doesn't have at this address.",
        advice="Check the URL at the identity provider: it is the SCIM base URL, with nothing behind it.",
        link=_TOKENS,
    ),
    Meaning(
        status=409,
        has="deactivated user",
        title="The person is here already, deactivated",
        words="The userName belongs to someone who was deactivated, so no second one was made.",
        advice="Activate the person here, or have the identity provider find people by userName and set active to "
        "true. The setting restore_on_post does it for a POST with the same externalId.",
        link=_USERS,
    ),
    Meaning(
        status=409,
        has="displayName",
        title="There is a group of that name",
        words="Names of groups are unique in a workspace, whatever their case. No second one was made.",
        advice="Link the existing group at the identity provider, or rename one of them.",
    ),
    Meaning(
        status=409,
        has="uniqueness",
        title="The userName is in use",
        words="Someone in this workspace has that userName, in whatever case: active, inactive or archived.",
        advice="Have the identity provider find people by userName before it creates them. If it is another person's, "
        "change one of the two.",
        link=_USERS,
    ),
    Meaning(
        status=409,
        title="Two changes at the same time",
        words="Somebody else changed the same user or group in that moment. Nothing was changed by this request.",
        advice="Identity providers send it again by themselves.",
    ),
    Meaning(
        status=412,
        title="It was changed meanwhile",
        words="The client wanted to change a version that is no longer the newest.",
        advice="The client reads it again; nothing is to be done here.",
    ),
    Meaning(
        status=413,
        title="The request is too large",
        words="Its body, or the number of its operations, is beyond what the server takes.",
        advice="Have the identity provider send less at once, such as PATCH for groups in place of PUT. Whoever runs "
        "the server can raise the limit.",
    ),
    Meaning(
        status=415,
        title="The body isn't JSON",
        words="The client says that it sends something else than JSON.",
        advice="Set its content type to application/scim+json.",
    ),
    Meaning(
        status=429,
        title="Too many requests",
        words="The connection sent more than its limit in a short time. The answer said how long to wait.",
        advice="Identity providers wait and go on by themselves. Whoever runs the server can raise the limit.",
    ),
    Meaning(
        status=501,
        title="Not offered",
        words="The client asks for something optional that this server doesn't have.",
        advice="Switch that off in the client: /ServiceProviderConfig says what there is.",
    ),
    Meaning(
        status=503,
        title="The server was busy",
        words="Its database couldn't answer in time. Nothing is half done.",
        advice="Clients send it again by themselves. If it stays so, tell whoever runs the server.",
    ),
    Meaning(
        status=500,
        title="A fault of the server",
        words="Nothing is half done.",
        advice="Tell whoever runs the server, with this request's id: the server's log has it.",
    ),
)
_REASONS: Final[Mapping[int, Meaning]] = {
    2: MEANINGS[0],
    4: next(each for each in MEANINGS if each.status == 400 and not each.has),
    5: MEANINGS[-1],
}


def meaning_of(status: int, error: str | None) -> Meaning:
    """What an answer means: by its status and error, or by the status's class."""
    told = (error or "").casefold()
    for each in MEANINGS:
        if each.status == status and each.has.casefold() in told:
            return each
    return _REASONS.get(status // 100, _REASONS[4])
