"""Refusals and faults as answers: the one place where they become SCIM errors. Knows no Flask."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from scim_server.domain.errors import MissingPermission, NoFreeSeat, Refused, UnknownLicence
from scim_server.scim.errors import ScimError
from scim_server.scim.protocol import Response, respond_error
from scim_server.scim.schema import SEATS_ERROR_URN
from scim_server.storage.db import Busy

log = structlog.get_logger(__name__)


def answered(work: Callable[[], Response], request_id: str) -> Response:
    """What `work` answers, or the SCIM error that says why it didn't; what an operator should know is logged."""
    try:
        return work()
    except ScimError as error:
        return respond_error(error)
    except Refused as error:
        return respond_error(refusal(error))
    except Busy as error:
        log.warning(str(error), request_id=request_id)
        return respond_error(ScimError("unavailable", headers={"Retry-After": "1"}))
    except Exception:
        log.exception("unexpected fault", request_id=request_id)
        return respond_error(ScimError("internal"))


def challenge(error: MissingPermission) -> dict[str, str]:
    """The header that says which scope would do (RFC 6750 §3.1)."""
    return {"WWW-Authenticate": f'Bearer realm="scim", error="insufficient_scope", scope="{error.permission}"'}


def refusal(error: Refused) -> ScimError:
    """A refusal by the product's rules in the protocol's words."""
    if isinstance(error, MissingPermission):
        detail = f"insufficient_scope: the token lacks the permission {error.permission}."
        return ScimError("forbidden", detail, headers=challenge(error))
    if isinstance(error, NoFreeSeat):
        counters = {
            "licence": error.licence,
            "purchased": error.purchased,
            "assigned": error.assigned,
            "reserved": error.reserved,
        }
        return ScimError("forbidden", str(error), extension={SEATS_ERROR_URN: counters})
    return ScimError("invalidValue" if isinstance(error, UnknownLicence) else "forbidden", str(error))
