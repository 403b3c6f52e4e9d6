"""What the server says about itself: ServiceProviderConfig, ResourceTypes and Schemas (RFC 7644 §4, RFC 7643 §5 to §7).

Every statement is derived from what the rest of `scim/` does. Must not know requests or storage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scim_server.scim.errors import ScimError
from scim_server.scim.schema import ResourceType, ResourceTypes

_CONFIG_URN: Final = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
_TYPE_URN: Final = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server accepts at most: bytes in a body, operations in a bulk request, resources on a page.

    `page` is a page's size when nobody says; `cursor_seconds` is how long a cursor is valid.
    """

    body: int = 5 * 1024 * 1024
    operations: int = 1000
    page: int = 100
    most: int = 1000
    cursor_seconds: int = 3600


_BEARER: Final = {
    "type": "oauthbearertoken",
    "name": "OAuth Bearer Token",
    "description": "A bearer token in the Authorization header.",
    "specUri": "https://www.rfc-editor.org/info/rfc6750",
    "primary": True,
}
_BASIC: Final = {
    "type": "httpbasic",
    "name": "HTTP Basic",
    "description": "A client's id and secret in the Authorization header.",
    "specUri": "https://www.rfc-editor.org/info/rfc7617",
}


def service_provider_config(base: str, limits: Limits, *, basic: bool = False) -> Document:
    """The server's capabilities (RFC 7643 §5, RFC 9865 §4); `basic` where a client's id and secret are taken too."""
    return {
        "schemas": [_CONFIG_URN],
        "patch": {"supported": True},
        "bulk": {"supported": True, "maxOperations": limits.operations, "maxPayloadSize": limits.body},
        "filter": {"supported": True, "maxResults": limits.most},
        "changePassword": {"supported": True},
        "sort": {"supported": True},
        "etag": {"supported": True},
        "pagination": {
            "cursor": True,
            "index": True,
            "defaultPaginationMethod": "index",
            "defaultPageSize": limits.page,
            "maxPageSize": limits.most,
            "cursorTimeout": limits.cursor_seconds,
        },
        "authenticationSchemes": [_BEARER, _BASIC] if basic else [_BEARER],
        "meta": _meta("ServiceProviderConfig", f"{base}/ServiceProviderConfig"),
    }


def resource_types(types: ResourceTypes, base: str) -> Sequence[Document]:
    """The resource types (RFC 7643 §6)."""
    return [_resource_type(each, base) for each in types]


def resource_type(types: ResourceTypes, base: str, name: str) -> Document:
    """One resource type by its name. Raises ScimError notFound."""
    for each in types:
        if each.name == name:
            return _resource_type(each, base)
    raise ScimError("notFound", f"There is no resource type {name[:64]!r}.")


def _resource_type(each: ResourceType, base: str) -> Document:
    return {
        "schemas": [_TYPE_URN],
        "id": each.name,
        "name": each.name,
        "endpoint": each.endpoint,
        "description": each.description,
        "schema": each.schema,
        "schemaExtensions": [{"schema": urn, "required": False} for urn in each.extensions],
        "meta": _meta("ResourceType", f"{base}/ResourceTypes/{each.name}"),
    }


def schemas(types: ResourceTypes, base: str) -> Sequence[Document]:
    """The schema documents of all resource types (RFC 7643 §7)."""
    return [_schema(document, base) for each in types for document in each.documents]


def schema(types: ResourceTypes, base: str, urn: str) -> Document:
    """One schema document by its URN, in any case. Raises ScimError notFound."""
    for each in types:
        for document in each.documents:
            if document["id"].lower() == urn.lower():
                return _schema(document, base)
    raise ScimError("notFound", f"There is no schema {urn[:128]!r}.")


def _schema(document: Document, base: str) -> Document:
    return {**document, "meta": _meta("Schema", f"{base}/Schemas/{document['id']}")}


def _meta(kind: str, location: str) -> Document:
    return {"resourceType": kind, "location": location}
