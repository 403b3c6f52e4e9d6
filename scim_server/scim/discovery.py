"""What the server says about itself: ServiceProviderConfig, ResourceTypes and Schemas (RFC 7644 §4, RFC 7643 §5 to §7).

Every statement is derived from what the rest of `scim/` does. Must not know requests or storage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from scim_server.scim.errors import ScimError
from scim_server.scim.schema import RESOURCE_TYPES, ResourceType

_CONFIG_URN: Final = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
_TYPE_URN: Final = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"

Document = Mapping[str, Any]


def service_provider_config(base: str, *, most_results: int, largest_body: int) -> Document:
    """The server's capabilities (RFC 7643 §5). `largest_body` is in bytes.

    Bulk isn't offered, yet its limits are positive numbers, as clients take them for batch sizes regardless.
    """
    return {
        "schemas": [_CONFIG_URN],
        "patch": {"supported": True},
        "bulk": {"supported": False, "maxOperations": 1000, "maxPayloadSize": largest_body},
        "filter": {"supported": True, "maxResults": most_results},
        "changePassword": {"supported": False},
        "sort": {"supported": True},
        "etag": {"supported": True},
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "OAuth Bearer Token",
                "description": "A bearer token in the Authorization header.",
                "specUri": "https://www.rfc-editor.org/info/rfc6750",
                "primary": True,
            }
        ],
        "meta": _meta("ServiceProviderConfig", f"{base}/ServiceProviderConfig"),
    }


def resource_types(base: str) -> Sequence[Document]:
    """The resource types (RFC 7643 §6)."""
    return [_resource_type(each, base) for each in RESOURCE_TYPES]


def resource_type(base: str, name: str) -> Document:
    """One resource type by its name. Raises ScimError notFound."""
    for each in RESOURCE_TYPES:
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


def schemas(base: str) -> Sequence[Document]:
    """The schema documents of all resource types (RFC 7643 §7)."""
    return [_schema(document, base) for each in RESOURCE_TYPES for document in each.documents]


def schema(base: str, urn: str) -> Document:
    """One schema document by its URN, in any case. Raises ScimError notFound."""
    for each in RESOURCE_TYPES:
        for document in each.documents:
            if document["id"].lower() == urn.lower():
                return _schema(document, base)
    raise ScimError("notFound", f"There is no schema {urn[:128]!r}.")


def _schema(document: Document, base: str) -> Document:
    return {**document, "meta": _meta("Schema", f"{base}/Schemas/{document['id']}")}


def _meta(kind: str, location: str) -> Document:
    return {"resourceType": kind, "location": location}
