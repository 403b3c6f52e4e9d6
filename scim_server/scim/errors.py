"""Every error of the protocol as one row: status, scimType, default detail. Knows not who raises or sends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

ERROR_URN: Final = "urn:ietf:params:scim:api:messages:2.0:Error"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of error: HTTP status, `scimType` (None where RFC 7644 names none), default detail."""

    status: int
    scim_type: str | None
    detail: str


# RFC 7644 §3.12, table 9 (the rows with a scimType), RFC 9865 §2.1 and the statuses of §3.12, table 8.
KINDS: Final[Mapping[str, Kind]] = {
    "invalidFilter": Kind(400, "invalidFilter", "The filter is malformed or not supported."),
    "tooMany": Kind(400, "tooMany", "The filter yields more results than the server returns."),
    "uniqueness": Kind(409, "uniqueness", "A value that must be unique is already in use."),
    "mutability": Kind(400, "mutability", "The attribute can't be changed."),
    "invalidSyntax": Kind(400, "invalidSyntax", "The request body doesn't follow the schema of the request."),
    "invalidPath": Kind(400, "invalidPath", "The path is malformed or names nothing in the schema."),
    "noTarget": Kind(400, "noTarget", "The path selects nothing that could be changed."),
    "invalidValue": Kind(400, "invalidValue", "A required value is missing or a value doesn't fit its attribute."),
    "invalidVers": Kind(400, "invalidVers", "The SCIM version is not supported."),
    "sensitive": Kind(403, "sensitive", "The request would put personal data into a URL."),
    "invalidCursor": Kind(400, "invalidCursor", "The cursor is not valid."),
    "expiredCursor": Kind(400, "expiredCursor", "The cursor has expired."),
    "invalidCount": Kind(400, "invalidCount", "The count differs from the one the cursor was made for."),
    "badRequest": Kind(400, None, "The request is not valid."),
    "unauthorized": Kind(401, None, "A valid bearer token is required."),
    "forbidden": Kind(403, None, "The operation is not permitted."),
    "notFound": Kind(404, None, "No such resource."),
    "methodNotAllowed": Kind(405, None, "The endpoint doesn't support this method."),
    "conflict": Kind(409, None, "The resource was changed by someone else at the same time. Retry."),
    "preconditionFailed": Kind(412, None, "The resource has changed since the version given in If-Match."),
    "payloadTooLarge": Kind(413, None, "The request body is larger than the server accepts."),
    "unsupportedMediaType": Kind(415, None, "The body must be application/scim+json or application/json."),
    "tooManyRequests": Kind(429, None, "Too many requests. Retry later."),
    "internal": Kind(500, None, "The server met an unexpected fault. The request id identifies it in the log."),
    "notImplemented": Kind(501, None, "The server doesn't offer this operation."),
    "unavailable": Kind(503, None, "The server is busy. Retry later."),
}


class ScimError(Exception):
    """A refusal in the protocol's own words (RFC 7644 §3.12).

    `kind` is a key of KINDS; `detail` is a sentence for a person; `headers` go out with the answer (`Allow`,
    `Retry-After`, `WWW-Authenticate`); `extension` maps an extension URN to further members of the body.
    """

    def __init__(
        self,
        kind: str,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        extension: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        row = KINDS[kind]
        self.kind = kind
        self.status = row.status
        self.scim_type = row.scim_type
        self.detail = detail or row.detail
        self.headers = dict(headers or {})
        self.extension = dict(extension or {})
        super().__init__(self.detail)

    def body(self) -> dict[str, Any]:
        """The error as a JSON object: `status` is a string and `detail` is never empty."""
        body: dict[str, Any] = {"schemas": [ERROR_URN, *self.extension], "status": str(self.status)}
        if self.scim_type:
            body["scimType"] = self.scim_type
        body["detail"] = self.detail
        body.update(self.extension)
        return body


def syntax_error(kind: str, message: str, text: str, position: int) -> ScimError:
    """An error of `kind` that shows where in `text` (0-based `position`) the fault is, with its surroundings."""
    start, end = max(0, position - 30), min(len(text), position + 30)
    lead, tail = "…" if start else "", "…" if end < len(text) else ""
    excerpt = f"{lead}{text[start:position]}▶{text[position:end]}{tail}"
    return ScimError(kind, f"{message} at position {position + 1}: {excerpt}")
