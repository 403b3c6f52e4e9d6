"""What Users and Groups consist of, how names are resolved, and what the server publishes about itself."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from scim_server.scim import discovery
from scim_server.scim.errors import ScimError
from scim_server.scim.schema import CORE, GROUP, USER, Attribute, ResourceType, Target, fold, with_extension
from tests.support import ENTERPRISE_URN, GROUP_URN, USER_URN, WORKSPACE_URN

BASE: Final = "https://example.com/scim/v2"


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("userName", "userName"),
        ("USERNAME", "userName"),
        ("id", "id"),
        ("externalid", "externalId"),
        ("schemas", "schemas"),
        ("meta.LASTMODIFIED", "meta.lastModified"),
        ("name.familyname", "name.familyName"),
        ("emails.$ref", None),
        ("groups.$ref", "groups.$ref"),
        (f"{USER_URN}:userName", "userName"),
        (f"{USER_URN.upper()}:USERNAME", "userName"),
        (f"{USER_URN}:name.givenName", "name.givenName"),
        (f"{USER_URN}.userName", "userName"),
        (USER_URN, None),
        (f"{USER_URN}:", None),
        (f"{USER_URN}:department", f"{ENTERPRISE_URN}:department"),
        (ENTERPRISE_URN, ENTERPRISE_URN),
        (ENTERPRISE_URN.lower(), ENTERPRISE_URN),
        (f"{ENTERPRISE_URN}:", None),
        (f"{ENTERPRISE_URN}.", None),
        (f"{ENTERPRISE_URN}:Department", f"{ENTERPRISE_URN}:department"),
        (f"{ENTERPRISE_URN}.department", f"{ENTERPRISE_URN}:department"),
        (f"{ENTERPRISE_URN}:manager.value", f"{ENTERPRISE_URN}:manager.value"),
        (f"{ENTERPRISE_URN}:manager.", None),
        (f"{ENTERPRISE_URN}:userName", None),
        (f"{ENTERPRISE_URN}department", None),
        ("department", f"{ENTERPRISE_URN}:department"),
        ("manager.displayName", f"{ENTERPRISE_URN}:manager.displayName"),
        ("archived", f"{WORKSPACE_URN}:archived"),
        ("shoeSize", None),
        ("name.", None),
        ("name..givenName", None),
        ("name.nick", None),
        ("userName.value", None),
        (".value", None),
        ("", None),
        (":userName", None),
        ("urn:", None),
        ("urn:example:User:badge", None),
        ("members", None),
    ],
)
def test_names(name: str, target: str | None) -> None:
    found = USER.resolve(name)
    assert (None if found is None else str(found)) == target


def test_names_of_extensions_must_be_qualified_where_that_is_asked() -> None:
    assert USER.resolve("department", bare_extensions=False) is None
    assert USER.resolve("userName", bare_extensions=False) == USER.resolve("userName")
    assert USER.resolve(f"{ENTERPRISE_URN}:department", bare_extensions=False) == USER.resolve("department")


def test_a_urn_that_begins_with_another() -> None:
    nested = with_extension(
        with_extension(USER, {"id": "urn:example:A", "attributes": [{"name": "x"}]}),
        {"id": "urn:example:A:B", "attributes": [{"name": "x"}]},
    )
    assert str(nested.resolve("urn:example:A:x")) == "urn:example:A:x"
    assert str(nested.resolve("urn:example:A:B:x")) == "urn:example:A:B:x"
    assert nested.resolve("urn:example:a:b") == Target("urn:example:A:B", None)
    assert nested.extension_named("URN:EXAMPLE:A") == "urn:example:A"
    assert USER.extension_named("urn:example:A") is None


def test_a_target() -> None:
    emails = USER.attributes["emails"]
    assert USER.resolve("emails.value") == Target(None, emails, emails.sub["value"])
    whole = Target(ENTERPRISE_URN, None)
    assert str(whole) == ENTERPRISE_URN
    with pytest.raises(ValueError, match="extension"):
        _ = whole.leaf


@pytest.mark.parametrize(
    ("name", "characteristics"),
    [
        ("userName", {"required": True, "uniqueness": "server", "case_exact": False}),
        ("externalId", {"case_exact": True, "required": False}),
        ("id", {"case_exact": True, "mutability": "readOnly", "returned": "always"}),
        ("schemas", {"multi_valued": True, "returned": "always", "case_exact": True}),
        ("meta.version", {"case_exact": True, "mutability": "readOnly"}),
        ("meta.location", {"case_exact": True, "type": "reference"}),
        ("meta.created", {"type": "dateTime"}),
        ("password", {"mutability": "writeOnly", "returned": "never"}),
        ("active", {"type": "boolean"}),
        ("emails", {"multi_valued": True, "has_primary": True, "type": "complex"}),
        ("emails.primary", {"type": "boolean"}),
        ("groups", {"multi_valued": True, "has_primary": False, "mutability": "readOnly"}),
        ("name", {"multi_valued": False, "has_primary": False}),
        ("x509Certificates.value", {"type": "binary"}),
        ("profileUrl", {"type": "reference"}),
        ("manager.value", {"required": False, "mutability": "readWrite"}),
        ("manager.$ref", {"required": False, "mutability": "readWrite"}),
        ("manager.displayName", {"mutability": "readOnly"}),
        (f"{WORKSPACE_URN}:status", {"mutability": "readOnly"}),
        (f"{WORKSPACE_URN}:archived", {"mutability": "readWrite", "type": "boolean"}),
        (f"{WORKSPACE_URN}:archivedAt", {"mutability": "readOnly", "type": "dateTime"}),
        (f"{WORKSPACE_URN}:invitation.email", {"mutability": "readWrite"}),
        (f"{WORKSPACE_URN}:invitation.sentAt", {"mutability": "readOnly", "type": "dateTime"}),
        (f"{WORKSPACE_URN}:seat", {"mutability": "readOnly", "type": "complex"}),
        (f"{WORKSPACE_URN}:signInAllowed", {"mutability": "readOnly"}),
    ],
)
def test_characteristics_of_a_user(name: str, characteristics: dict[str, Any]) -> None:
    target = USER.resolve(name)
    assert target is not None
    assert {key: getattr(target.leaf, key) for key in characteristics} == characteristics


@pytest.mark.parametrize(
    ("name", "characteristics"),
    [
        ("displayName", {"required": True, "uniqueness": "server"}),
        ("members", {"multi_valued": True, "mutability": "readWrite", "has_primary": False}),
        ("members.value", {"mutability": "immutable"}),
        ("members.type", {"mutability": "immutable"}),
        ("members.display", {"mutability": "readOnly"}),
    ],
)
def test_characteristics_of_a_group(name: str, characteristics: dict[str, Any]) -> None:
    target = GROUP.resolve(name)
    assert target is not None
    assert {key: getattr(target.leaf, key) for key in characteristics} == characteristics


def test_attributes_of_a_type() -> None:
    names = [(extension, attribute.name) for extension, attribute in USER.all_attributes()]
    assert len(set(names)) == len(names)
    assert (None, "userName") in names
    assert (ENTERPRISE_URN, "department") in names
    assert list(USER.extensions) == [ENTERPRISE_URN, WORKSPACE_URN]
    assert (USER.schema, GROUP.schema) == (USER_URN, GROUP_URN)
    assert not GROUP.extensions


EXACT: Final = Attribute("x", "string", case_exact=True)
LOOSE: Final = Attribute("x", "string")


@pytest.mark.parametrize(
    ("attribute", "text", "folded"),
    [
        (LOOSE, "Kim", "kim"),
        (EXACT, "Kim", "Kim"),
        (LOOSE, "E\u0301LODIE", "\u00e9lodie"),
        (EXACT, "E\u0301LODIE", "\u00c9LODIE"),
        (LOOSE, "\u00c9", "\u00e9"),
        (LOOSE, "STRASSE", "strasse"),
        (LOOSE, "Stra\u00dfe", "stra\u00dfe"),
        (LOOSE, "\u03a3\u03a3", "\u03c3\u03c3"),
        (LOOSE, "\u03c2", "\u03c3"),
        (EXACT, "\u03c2", "\u03c2"),
        (LOOSE, "", ""),
    ],
)
def test_fold(attribute: Attribute, text: str, folded: str) -> None:
    assert fold(attribute, text) == folded
    assert fold(attribute, folded) == folded


# what the server says about itself


def test_service_provider_config() -> None:
    config = discovery.service_provider_config(BASE, discovery.Limits(body=9, operations=7, most=50))
    assert config["schemas"] == ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"]
    assert config["patch"] == {"supported": True}
    assert config["filter"] == {"supported": True, "maxResults": 50}
    assert config["bulk"]["maxOperations"] == 7
    assert config["bulk"]["maxPayloadSize"] == 9
    assert config["meta"]["location"] == f"{BASE}/ServiceProviderConfig"
    assert {"sort", "etag", "changePassword", "authenticationSchemes"} <= set(config)


def test_resource_types() -> None:
    user, group = discovery.resource_types(CORE, BASE)
    assert (user["id"], user["endpoint"], user["schema"]) == ("User", "/Users", USER_URN)
    assert [each["schema"] for each in user["schemaExtensions"]] == [ENTERPRISE_URN, WORKSPACE_URN]
    assert not any(each["required"] for each in user["schemaExtensions"])
    assert (group["id"], group["endpoint"], group["schema"]) == ("Group", "/Groups", GROUP_URN)
    assert discovery.resource_type(CORE, BASE, "Group") == group
    assert group["meta"] == {"resourceType": "ResourceType", "location": f"{BASE}/ResourceTypes/Group"}


def test_schemas() -> None:
    documents = discovery.schemas(CORE, BASE)
    assert [each["id"] for each in documents] == [USER_URN, ENTERPRISE_URN, WORKSPACE_URN, GROUP_URN]
    for document in documents:
        assert document["meta"]["location"] == f"{BASE}/Schemas/{document['id']}"
        assert discovery.schema(CORE, BASE, document["id"].upper()) == document
    assert json.loads(json.dumps(documents)) == documents


@pytest.mark.parametrize("resource_type", list(CORE), ids=lambda each: each.name)
def test_published_attributes_are_complete(resource_type: ResourceType) -> None:
    for document in resource_type.documents:
        for row in document["attributes"]:
            for each in (row, *(row.get("subAttributes") or ())):
                assert {"name", "type", "multiValued", "mutability", "returned", "description"} <= set(each), each
                assert each["description"]
                assert "\n" not in each["description"]
                assert ("referenceTypes" in each) <= (each["type"] == "reference")


@pytest.mark.parametrize("name", ["user", "Device", "x" * 999, ""])
def test_no_such_document(name: str) -> None:
    for read in (discovery.resource_type, discovery.schema):
        with pytest.raises(ScimError) as caught:
            read(CORE, BASE, name)
        assert caught.value.status == 404
        assert len(caught.value.detail) < 200
