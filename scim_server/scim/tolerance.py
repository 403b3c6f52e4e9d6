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
    """One forgiven deviation: its id, who sends it, what arrives, and what the server makes of it."""

    id: str
    clients: str
    arrives: str
    meaning: str


ROWS: Final = (
    Row("operation-case", "Entra", '"op": "Replace"', "The operation's name counts in any case."),
    Row("boolean-strings", "Entra, Keycloak", '"active": "False"', "true and false in any case are read as booleans."),
    Row("number-strings", "HR-driven sources", '"employeeNumber": 42', "A number is read as the string of its digits."),
    Row(
        "value-path-creates",
        "Entra",
        'replace emails[type eq "work"].value where no work e-mail exists',
        "The element is created from the filter's eq terms and the value; a remove that selects nothing succeeds.",
    ),
    Row(
        "dotted-keys",
        "Entra (aadOptscim062020)",
        '{"op": "replace", "value": {"name.givenName": "Kim", "urn:…:User:department": "A"}}',
        "Each key of a value without a path is read as an attribute path.",
    ),
    Row(
        "complex-merge",
        "Entra, Okta",
        '{"op": "replace", "path": "name", "value": {"givenName": "Kim"}}',
        "Sub-attributes that the value doesn't name are kept.",
    ),
    Row(
        "bare-extension-attributes",
        "Entra",
        '"manager": "…" beside userName, or as a path',
        "A name the core schema doesn't have is looked up in the extensions.",
    ),
    Row(
        "bare-values",
        "Entra, JumpCloud",
        '"manager": "26118915", "members": ["2819c223"]',
        "A plain value where an object belongs is read as the object's value sub-attribute.",
    ),
    Row("empty-string-clears", "Entra gallery, Okta", '"title": ""', "An empty string unassigns the attribute."),
    Row(
        "remove-listed-values",
        "Entra, authentik, Salesforce",
        '{"op": "remove", "path": "members", "value": [{"value": "2819c223"}]}',
        "Only the listed values are removed; an empty list removes nothing.",
    ),
    Row(
        "skip-unknown-members",
        "Okta, Entra",
        "a member id that the workspace doesn't have",
        "The member is left out and the rest of the request is carried out.",
    ),
    Row("empty-operations", "Entra's validator", '"Operations": []', "Nothing changes and the request succeeds."),
    Row("unwrap-single", "Entra", '"displayName": ["Kim"]', "A list of one is read as its element."),
    Row("wrap-single", "several", '"emails": {"value": "kim@example.com"}', "A single value is read as a list of one."),
    Row("ignore-unknown", "all", "an attribute or path the schemas don't have", "It is left out."),
    Row("ignore-unknown-schemas", "Entra, OneLogin", "obsolete, misspelt or missing schemas", "They are left out."),
    Row("first-primary", "several", "two values marked primary", "The first one stays primary."),
    Row(
        "filter-bare-strings",
        "Entra, authentik",
        "externalId eq jyoung",
        "A token without quotes is read as a string.",
    ),
    Row(
        "filter-value-path-compare",
        "Entra",
        'emails[type eq "work"].value eq "kim@example.com"',
        "The comparison moves inside the brackets.",
    ),
    Row("filter-boolean-strings", "Entra", 'active eq "True"', "true and false in quotes are read as booleans."),
    Row(
        "filter-bare-extension-attributes",
        "Entra",
        'manager eq "26118915"',
        "A name the core schema doesn't have is looked up in the extensions.",
    ),
    Row("filter-email-alias", "JumpCloud, Ping", 'email.value eq "kim@example.com"', "email is read as emails."),
    Row(
        "filter-double-encoding",
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
