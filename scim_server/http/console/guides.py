"""How each identity provider is set up, as tables: for the console's set-up pages and docs/identity-providers.md.

What stands in backticks is code; {root} and {scim} are this server's URL and its SCIM base URL. Facts are from the
providers' documentation and from recorded requests. Knows no pages and no connections.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from scim_server.http.scim import PREFIX

Copied = tuple[str, str]  # what the provider calls a field, and what belongs in it
Mapped = tuple[str, str, str]  # the provider's field, the attribute that it becomes, and a remark


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do at the identity provider; `credential` is the field there that takes a token, "" for none."""

    text: str
    copies: tuple[Copied, ...] = ()
    credential: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """One identity provider: what to do, what to map, what to mind and what to expect.

    `lead` is a sentence for whoever chooses a preset.
    """

    preset: str
    name: str
    lead: str
    steps: tuple[Step, ...]
    mapping: tuple[Mapped, ...]
    minds: tuple[str, ...]
    after: tuple[str, ...]


_DELETE_FORBIDDEN: Final = "the setting `allow_delete` of the connection, switched off, refuses that"
_NAMES: Final[tuple[Mapped, ...]] = (
    ("first name", "name.givenName", ""),
    ("last name", "name.familyName", ""),
)
_LICENCE: Final[Mapped] = (
    "a constant, or an expression",
    'entitlements[type eq "license"].value',
    "The licence type, where there is more than one.",
)

ENTRA: Final = Guide(
    preset="entra",
    name="Microsoft Entra ID",
    lead="Formerly Azure AD. Both dialects of its PATCH are understood.",
    steps=(
        Step(
            text="Enterprise applications → New application → Create your own application, and choose the one that "
            "isn't in the gallery. Then open Provisioning, and set the mode to Automatic.",
        ),
        Step(text="Enter the admin credentials.", copies=(("Tenant URL", "{scim}"),), credential="Secret Token"),
        Step(text="Test Connection. It looks for a user that doesn't exist: an empty list is success."),
        Step(
            text="Mappings: keep `userPrincipalName` as the matching attribute, and the row for `active`. Remove rows "
            "that nobody needs. To set a licence or a role, add the target attribute by “Show advanced options”.",
        ),
        Step(text="Assign the people and groups that are to be sent, and start provisioning."),
    ),
    mapping=(
        ("userPrincipalName", "userName", "The matching attribute."),
        ("Switch([IsSoftDeleted], …)", "active", "Without it nobody is deactivated."),
        ("mail", 'emails[type eq "work"].value', "One work address for each person."),
        ("givenName", "name.givenName", ""),
        ("surname", "name.familyName", ""),
        ("objectId", "externalId", "If a stable name is wanted."),
        _LICENCE,
        ("a constant, or an expression", 'roles[primary eq "True"].value', "The role: admin, team or client."),
    ),
    minds=(
        "`?aadOptscim062020` may stand at the end of the Tenant URL or not. One tenant can send both dialects: "
        "provisioning on demand doesn't follow the flag.",
        "Entra can't tell two values of the same `type` apart: one `work` e-mail for each person.",
        "A group arrives empty and its members follow. Groups inside groups aren't sent.",
        "An expired token puts the job in quarantine. Make a new token before the old one ends, and enter it: both "
        "count.",
        "Where the form asks for OAuth 2 client credentials, make an OAuth client here, and enter its id, its secret "
        "and the token URL `{root}/oauth/token`. Secrets last one to three years there: 365 to 1096 days.",
        "Where it offers workload identity federation, no secret is needed at all. Applications of the gallery may use "
        "these two ways alone. Whoever runs the server trusts the issuer at the command line: `docs/oauth.md`.",
    ),
    after=(
        "Entra looks for changes every 20 to 40 minutes. Provision on demand sends one person at once.",
        "Who leaves the scope, is blocked or is deleted softly gets `active` false: deactivated here, and the seat is "
        f"free. The DELETE follows about 30 days later, or with a permanent deletion; {_DELETE_FORBIDDEN}.",
        "What was refused is tried again in later cycles, so that an added seat mends it by itself. With very many "
        "failures the job goes into quarantine: it tries less often, and stops after about four weeks.",
    ),
)

OKTA: Final = Guide(
    preset="okta",
    name="Okta",
    lead="Imports see archived people too, and whom Okta creates again is active again.",
    steps=(
        Step(text="In the application's General tab choose SCIM for provisioning. Then Provisioning → Integration."),
        Step(
            text="Enter where and how. The host must not hold an underscore. Under the supported actions tick import "
            "and push of users, and of groups where wanted.",
            copies=(("SCIM connector base URL", "{scim}"), ("Unique identifier field for users", "userName")),
        ),
        Step(
            text="Authentication mode HTTP Header. Where `Bearer` stands before the field, enter the token behind it."
            " A form that sends the header as it is typed takes the token alone too: that is the setting "
            "`bare_token`.",
            credential="Authorization",
        ),
        Step(text="Test the connector, and save. It asks for the first two users."),
        Step(text="Provisioning → To App: tick create, update and deactivate. Assign people; Push Groups for groups."),
    ),
    mapping=(
        ("userName", "userName", "By which Okta finds who is here already."),
        ("email", 'emails[type eq "work"].value', ""),
        ("firstName", "name.givenName", ""),
        ("lastName", "name.familyName", ""),
        ("displayName", "displayName", ""),
    ),
    minds=(
        "Okta never deletes: who loses the application is deactivated, and who gets it again is active again, under "
        "the same id.",
        "Suspending somebody in Okta sends nothing.",
        "With each new user a random password comes, also where password sync is off. It is kept as a hash and used by "
        "nobody.",
        "People who were assigned before provisioning was on need “Provision User”: a forced sync sends only whom Okta "
        "has provisioned already.",
        "In Okta's catalogue there is OAuth too, with a client that has the address of each of Okta's clouds: "
        "`https://system-admin.okta.com/admin/app/cpc/APP/oauth/callback`, and the same path at "
        "`system-admin.okta-emea.com`, `system-admin.oktapreview.com` and `system-admin.trexcloud.com`. APP is the "
        "application's name there. An administrator of the workspace lets it in. Such a client gets no tokens by "
        "client credentials, so that its secret alone opens nothing that nobody consented to.",
        "Okta isn't known to send a PKCE challenge. If it says “Missing 'code_challenge'”, make the client without "
        "PKCE.",
        "Basic authentication, which applications made by hand offer, needs the setting `basic_auth`, and takes a "
        "client's id and secret.",
    ),
    after=(
        "Each assignment is sent at once: first a search by `userName`, then a POST, or a PUT where somebody is found.",
        "A refused task stands under Dashboard → Tasks with the sentence of the error. It isn't tried again by itself: "
        "mend the cause, such as a missing seat, and retry the task.",
        "An import reads all users in pages of 100.",
    ),
)

ONELOGIN: Final = Guide(
    preset="onelogin",
    name="OneLogin",
    lead="Obsolete names of schemas are forgiven.",
    steps=(
        Step(text="Add the application “SCIM Provisioner with SAML (SCIM v2 Enterprise)”."),
        Step(
            text="In its configuration enter where and how. Custom headers stay empty.",
            copies=(("SCIM Base URL", "{scim}"),),
            credential="SCIM Bearer Token",
        ),
        Step(
            text="The SCIM JSON template may be the default one. This belongs in `userName`:",
            copies=(("userName", "{$parameters.scimusername}"),),
        ),
        Step(text="Enable the API connection. It looks for a user that doesn't exist: an empty list is success."),
        Step(
            text="Provisioning: enable it, and choose what happens to deleted people: Delete, Suspend (`active` "
            "false) or nothing. Suspend keeps a way back.",
        ),
    ),
    mapping=(
        ("scimusername", "userName", "By which OneLogin finds who is here already."),
        ("Email", "emails", ""),
        *_NAMES,
    ),
    minds=(
        "Users are updated by PUT: what the template doesn't hold is removed, apart from `active`, memberships and the "
        "workspace's own attributes.",
        "Its documentation asks for answers of the type `application/json`; this server answers "
        "`application/scim+json`.",
    ),
    after=(
        "A search by `userName` comes before each POST. Groups are made by POST and changed by PATCH.",
        f"With Delete chosen, a person is removed for good; {_DELETE_FORBIDDEN}.",
    ),
)

GOOGLE: Final = Guide(
    preset="google",
    name="Google Workspace",
    lead="Google provisions into applications of its own catalogue alone.",
    steps=(
        Step(
            text="The application must be listed in Google's catalogue. Then Apps → Web and mobile apps → the "
            "application → Autoprovisioning.",
        ),
        Step(
            text="Enter the access token, and where.",
            copies=(("Endpoint URL", "{scim}"),),
            credential="Access token",
        ),
        Step(text="Map the attributes. Google offers what this server publishes under `/Schemas`."),
        Step(text="Deprovisioning: choose separately when somebody is suspended, and when deleted."),
    ),
    mapping=(
        ("Username, or primary e-mail", "userName", "Needed."),
        ("Primary e-mail", "emails", ""),
        *_NAMES,
    ),
    minds=(
        "Groups aren't sent.",
        f"A DELETE may come without a deactivation before it. It removes the person for good; {_DELETE_FORBIDDEN}.",
    ),
    after=(
        "A suspension sends `active` false: deactivated here, and the seat is free.",
        "A deletion may come up to 21 days later, as it was chosen.",
    ),
)

JUMPCLOUD: Final = Guide(
    preset="jumpcloud",
    name="JumpCloud",
    lead="Its activation makes a test user and a test group, and deletes them again.",
    steps=(
        Step(text="SSO application → Identity Management → Custom SCIM: API type SCIM, version SCIM 2.0."),
        Step(
            text="Enter where and how, the base URL without a slash at the end. Test User Email is an address that "
            "nobody in the workspace has.",
            copies=(("Base URL", "{scim}"),),
            credential="Token Key",
        ),
        Step(
            text="Attributes: `userName` from the e-mail; further ones by their SCIM names. Tick group management "
            "where groups are wanted.",
        ),
        Step(
            text="Activate. That makes a user and a group, changes them, and deletes them again. It takes a seat for "
            "that moment: have one free.",
        ),
    ),
    mapping=(
        ("email", "userName", ""),
        ("email", "emails", ""),
        ("firstname", "name.givenName", ""),
        ("lastname", "name.familyName", ""),
    ),
    minds=(
        "With the setting `allow_delete` switched off the test user may stay behind: archive it, or delete it by hand.",
    ),
    after=(
        "Users and groups that are bound to the application are sent, and changed as they change.",
        "Who is taken off is deactivated or deleted.",
    ),
)

PING: Final = Guide(
    preset="ping",
    name="Ping",
    lead="PingFederate and PingOne.",
    steps=(
        Step(
            text="PingFederate: an SP connection with outbound provisioning and the SCIM provisioner. PingOne: "
            "Integrations → Provisioning → a SCIM outbound connection.",
        ),
        Step(
            text="Enter where and how: SCIM version 2.0, authentication method OAuth 2 Bearer Token, authorization "
            "type Bearer.",
            copies=(("SCIM URL", "{scim}"), ("Users resource", "/Users"), ("Groups resource", "/Groups")),
            credential="OAuth access token",
        ),
        Step(
            text='The user filter finds who is here already; `emails Eq "%s"` finds people by any of their addresses.',
            copies=(("User filter expression", 'userName Eq "%s"'),),
        ),
        Step(
            text="Remove action: Disable sends `active` false, Delete removes for good. Results per page may stay at "
            "1000.",
        ),
    ),
    mapping=(
        ("username", "userName", "By which Ping finds who is here already."),
        ("email", "emails", ""),
        *_NAMES,
    ),
    minds=(
        "Users are updated by PUT: map everything that is to stay, or leave it to one provider.",
        "Groups by PUT send all members each time; choose PATCH for large ones.",
        "For OAuth 2 client credentials make an OAuth client here, and enter its id, its secret and the token URL "
        "`{root}/oauth/token`.",
    ),
    after=(
        "A search by `userName` comes before each POST.",
        f"With Delete as remove action, a person is removed for good; {_DELETE_FORBIDDEN}.",
    ),
)

GENERIC: Final = Guide(
    preset="generic",
    name="Any other provider",
    lead="One that isn't in this list, or a script of your own. What providers get wrong is forgiven.",
    steps=(
        Step(
            text="Where the identity provider asks for SCIM 2.0, enter where and how. It is one URL for users and "
            "groups, without a slash at the end.",
            copies=(("SCIM base URL", "{scim}"),),
            credential="Bearer token",
        ),
        Step(text="Have it find people by `userName`, before it creates them."),
        Step(text="Have it send `active` false to take access away. DELETE removes a person for good."),
        Step(text="Send one person first, and look at the request log."),
    ),
    mapping=(
        ("the name that people sign in by", "userName", "Needed, and unique in the workspace."),
        ("whether they have access", "active", ""),
        ("e-mail", "emails", "Invitations go to the primary one."),
        *_NAMES,
        ("a stable id", "externalId", "Each connection has its own."),
        _LICENCE,
    ),
    minds=(
        "One that speaks OAuth 2 gets a client in place of a token: its token URL is `{root}/oauth/token`.",
        "Before an integration of your own goes live, try it with a connection of the preset `strict` as well: what "
        "passes there is by the book.",
    ),
    after=("Each request is in the request log a second later, with what was wrong where it was refused.",),
)

STRICT: Final = Guide(
    preset="strict",
    name="By the book (strict)",
    lead="Forgives nothing: to try an integration of your own against the letter of RFC 7643 and RFC 7644.",
    steps=GENERIC.steps,
    mapping=GENERIC.mapping,
    minds=(
        "What other presets forgive is refused here with the error that the RFC asks for: attributes that the schemas"
        " don't have, booleans as strings, paths that select nothing.",
    ),
    after=GENERIC.after,
)

GUIDES: Final[Mapping[str, Guide]] = {
    guide.preset: guide for guide in (GENERIC, ENTRA, OKTA, ONELOGIN, JUMPCLOUD, GOOGLE, PING, STRICT)
}


def filled(text: str, root: str) -> str:
    """A text with this server's URLs; `root` has no slash at its end."""
    return text.replace("{scim}", f"{root}{PREFIX}").replace("{root}", root)
