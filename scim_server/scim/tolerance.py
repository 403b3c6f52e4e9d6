"""What identity providers' dialects are forgiven, one row a quirk, and which connection preset forgives it.

A row says what arrives on the wire and why it is let in; the pass that reads the value asks only whether the row's id
is in the request's tolerance. Must not read or change a value itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PRESETS: Final = ("generic", "entra", "okta", "onelogin", "jumpcloud", "google", "ping", "strict")


@dataclass(frozen=True, slots=True)
class Row:
    """One forgiven deviation: its id, what it bends, a case of the test corpus (file/id), who sends it, what arrives,
    and what the server makes of it.
    """

    id: str
    bends: str
    case: str
    clients: str
    arrives: str
    meaning: str


ROWS: Final = (
    Row(
        "operation-case",
        "RFC 7644 §3.5.2",
        "patches/operation-case-on",
        "Entra",
        '"op": "Replace"',
        "The operation's name counts in any case.",
    ),
    Row(
        "boolean-strings",
        "RFC 7643 §2.3.2",
        "bodies/boolean-strings-on",
        "Entra, Keycloak",
        '"active": "False"',
        "true and false in any case are read as booleans.",
    ),
    Row(
        "number-strings",
        "RFC 7643 §2.3.1",
        "bodies/number-strings-on",
        "HR-driven sources",
        '"employeeNumber": 42',
        "A number is read as the string of its digits.",
    ),
    Row(
        "value-path-creates",
        "RFC 7644 §3.5.2.3",
        "patches/value-path-creates-on",
        "Entra",
        'replace emails[type eq "work"].value where no work e-mail exists',
        "The element is created from the filter's eq terms and the value; a remove that selects nothing succeeds.",
    ),
    Row(
        "dotted-keys",
        "RFC 7644 §3.5.2",
        "patches/dotted-keys-on",
        "Entra (aadOptscim062020)",
        '{"op": "replace", "value": {"name.givenName": "Kim", "urn:…:User:department": "A"}}',
        "Each key of a value without a path is read as an attribute path.",
    ),
    Row(
        "bare-extension-attributes",
        "RFC 7643 §3.3",
        "bodies/bare-extension-attributes-on",
        "Entra",
        '"manager": "…" beside userName, or as a path',
        "A name the core schema doesn't have is looked up in the extensions.",
    ),
    Row(
        "bare-values",
        "RFC 7643 §2.3.8",
        "bodies/bare-values-on",
        "Entra, JumpCloud",
        '"manager": "26118915", "members": ["2819c223"]',
        "A plain value where an object belongs is read as the object's value sub-attribute.",
    ),
    Row(
        "empty-string-clears",
        "RFC 7643 §2.5",
        "patches/empty-string-clears-on",
        "Entra gallery, Okta",
        '"title": ""',
        "An empty string unassigns the attribute.",
    ),
    Row(
        "remove-listed-values",
        "RFC 7644 §3.5.2.2",
        "patches/remove-listed-values-on",
        "Entra, authentik, Salesforce",
        '{"op": "remove", "path": "members", "value": [{"value": "2819c223"}]}',
        "Only the listed values are removed; an empty list removes nothing.",
    ),
    Row(
        "skip-unknown-members",
        "RFC 7643 §4.2",
        "identity_providers/skip-unknown-members-on",
        "Okta, Entra",
        "a member id that the workspace doesn't have",
        "The member is left out and the rest of the request is carried out.",
    ),
    Row(
        "empty-operations",
        "RFC 7644 §3.5.2",
        "patches/empty-operations-on",
        "Entra's validator",
        '"Operations": []',
        "Nothing changes and the request succeeds.",
    ),
    Row(
        "unwrap-single",
        "RFC 7643 §2.4",
        "bodies/unwrap-single-on",
        "Entra",
        '"displayName": ["Kim"]',
        "A list of one is read as its element.",
    ),
    Row(
        "wrap-single",
        "RFC 7643 §2.4",
        "bodies/wrap-single-on",
        "several",
        '"emails": {"value": "kim@example.com"}',
        "A single value is read as a list of one.",
    ),
    Row(
        "ignore-unknown",
        "RFC 7644 §3.12",
        "bodies/ignore-unknown-on",
        "all",
        "an attribute or path the schemas don't have",
        "It is left out.",
    ),
    Row(
        "ignore-unknown-schemas",
        "RFC 7643 §3",
        "bodies/ignore-unknown-schemas-on",
        "Entra, OneLogin",
        "obsolete, misspelt or missing schemas",
        "They are left out.",
    ),
    Row(
        "first-primary",
        "RFC 7643 §2.4",
        "bodies/first-primary-on",
        "several",
        "two values marked primary",
        "The first one stays primary.",
    ),
    Row(
        "country-names",
        "RFC 7643 §4.1.2",
        "bodies/country-names-on",
        "Entra",
        '"country": "Belize"',
        "What isn't a code of two letters is kept as sent.",
    ),
    Row(
        "any-photo",
        "RFC 7643 §4.1.2",
        "bodies/any-photo-on",
        "several",
        '"photos": [{"value": "kim.jpg"}]',
        "What isn't the URL of a picture is kept as sent.",
    ),
    Row(
        "filter-bare-strings",
        "RFC 7644 §3.4.2.2",
        "filters/bare-external-id",
        "Entra, authentik",
        "externalId eq jyoung",
        "A token without quotes is read as a string.",
    ),
    Row(
        "filter-value-path-compare",
        "RFC 7644 §3.4.2.2",
        "filters/value-path-eq",
        "Entra",
        'emails[type eq "work"].value eq "kim@example.com"',
        "The comparison moves inside the brackets.",
    ),
    Row(
        "filter-boolean-strings",
        "RFC 7644 §3.4.2.2",
        "filters/boolean-string-true",
        "Entra",
        'active eq "True"',
        "true and false in quotes are read as booleans.",
    ),
    Row(
        "filter-bare-extension-attributes",
        "RFC 7644 §3.10",
        "filters/bare-extension-manager",
        "Entra",
        'manager eq "26118915"',
        "A name the core schema doesn't have is looked up in the extensions.",
    ),
    Row(
        "filter-email-alias",
        "RFC 7643 §4.1.2",
        "filters/email-alias",
        "JumpCloud, Ping",
        'email.value eq "kim@example.com"',
        "email is read as emails.",
    ),
    Row(
        "filter-double-encoding",
        "RFC 7644 §3.4.2.2",
        "identity_providers/filter-double-encoding-on",
        "Entra's validator",
        "a filter whose value is percent-encoded twice",
        "A value that still holds %XX is decoded once more when nothing matches.",
    ),
)

EVERYTHING: Final = frozenset(row.id for row in ROWS)
NOTHING: Final[frozenset[str]] = frozenset()


def tolerance_of(preset: str) -> frozenset[str]:
    """The ids of the rows that `preset` forgives: all of them, or none for strict (lifecycle.md D15)."""
    return NOTHING if preset == "strict" else EVERYTHING
