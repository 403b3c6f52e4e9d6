"""Which attributes an answer holds: `attributes`, `excludedAttributes` and `returned` (RFC 7644 §3.9, RFC 7643 §2.2).

Works on complete resources as plain dicts. Must not know where they come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from scim_server.scim.errors import ScimError
from scim_server.scim.schema import Attribute, ResourceType, Target

# extension URN (None for the core) → attribute name → sub-attribute names, or None for the whole attribute
Names = dict[str | None, dict[str, set[str] | None]]


@dataclass(frozen=True, slots=True)
class Projection:
    """What to return: everything by default (`wanted` None), or what was asked for, less what was excluded.

    `written` is what of the attributes returned on request is there by default too, as the request has just written
    it (RFC 7643 §7).
    """

    wanted: Names | None = None
    unwanted: Names = field(default_factory=dict)
    written: frozenset[tuple[str | None, str]] = frozenset()

    @property
    def everything(self) -> bool:
        """Whether the answer is the resource's default representation."""
        return self.wanted is None and not self.unwanted

    def omits(self, name: str) -> bool:
        """Whether the core attribute `name` is certain to be left out, so that it needn't be loaded."""
        if self.wanted is not None and name not in self.wanted.get(None, {}):
            return True
        core = self.unwanted.get(None, {})
        return name in core and core[name] is None


DEFAULT: Final = Projection()


def read_projection(
    resource_type: ResourceType, attributes: Sequence[str], excluded: Sequence[str], tolerance: frozenset[str]
) -> Projection:
    """The projection that the two query parameters ask for; names in any case, unknown ones left out if forgiven.

    Raises ScimError invalidValue when both are given (RFC 7644 §3.9) or, unless forgiven, for unknown names.
    """
    if attributes and excluded:
        raise ScimError("invalidValue", "Use either attributes or excludedAttributes, not both.")
    if attributes:
        return Projection(wanted=_names(resource_type, attributes, tolerance))
    return Projection(unwanted=_names(resource_type, excluded, tolerance))


def after_put(projection: Projection, resource_type: ResourceType, resource: Mapping[str, Any]) -> Projection:
    """`projection` for the answer to a write of `resource`: with what is returned on request and is in it."""
    if not resource_type.on_request:
        return projection
    written = {
        (urn, name)
        for urn, name in resource_type.on_request
        if name in (resource if urn is None else resource.get(urn, {}))
    }
    return replace(projection, written=frozenset(written))


def after_patch(projection: Projection, resource_type: ResourceType, targets: Sequence[Target]) -> Projection:
    """`projection` for the answer to a PATCH of `targets`: with what is returned on request and was named."""
    if not resource_type.on_request:
        return projection
    named = {(each.extension, each.attribute.name if each.attribute else None) for each in targets}
    written = {(urn, name) for urn, name in resource_type.on_request if {(urn, name), (urn, None)} & named}
    return replace(projection, written=frozenset(written))


def _names(resource_type: ResourceType, names: Sequence[str], tolerance: frozenset[str]) -> Names:
    result: Names = {}
    for name in names:
        # clients send value paths here: `attributes=emails[type eq "work"]` means emails
        target = resource_type.resolve(name.partition("[")[0].strip())
        if target is None:
            if "ignore-unknown" not in tolerance:
                raise ScimError("invalidValue", f"A {resource_type.name} has no attribute {name!r}.")
            continue
        _note(resource_type, result, target)
    return result


def _note(resource_type: ResourceType, result: Names, target: Target) -> None:
    group = result.setdefault(target.extension, {})
    if target.attribute is None:
        for attribute in resource_type.extensions[target.extension or ""].values():
            group[attribute.name] = None
        return
    known = group.get(target.attribute.name, set())
    if target.sub is None or known is None:
        group[target.attribute.name] = None
    else:
        group[target.attribute.name] = {*known, target.sub.name}


def project(resource_type: ResourceType, resource: Mapping[str, Any], projection: Projection) -> dict[str, Any]:
    """`resource` reduced to what `projection` and each attribute's `returned` allow; `id` and `schemas` always stay."""
    if projection.everything and _is_all_shown(resource_type, resource):
        return dict(resource)
    result = _project_level(resource_type.attributes, resource, projection, None)
    for urn, attributes in resource_type.extensions.items():
        inner = _project_level(attributes, resource.get(urn) or {}, projection, urn)
        if inner:
            result[urn] = inner
    return result


def _is_all_shown(resource_type: ResourceType, resource: Mapping[str, Any]) -> bool:
    """Whether nothing is to be left out of the default representation, which is mostly so.

    What the schema doesn't know is left out: it may stem from an extension that is no longer offered.
    """
    return all(
        names.issuperset(resource if extension is None else resource.get(extension, ()))
        for extension, names in resource_type.shown.items()
    )


def _project_level(
    attributes: Mapping[str, Attribute], values: Mapping[str, Any], projection: Projection, urn: str | None
) -> dict[str, Any]:
    wanted = None if projection.wanted is None else projection.wanted.get(urn, {})
    unwanted = projection.unwanted.get(urn, {})
    result: dict[str, Any] = {}
    for name, value in values.items():
        attribute = attributes.get(name.lower())
        if attribute is None or attribute.returned == "never":
            continue
        if attribute.returned == "always":
            result[name] = value
        elif wanted is not None:
            if name in wanted:
                _keep(result, name, _only(attribute, value, wanted[name]))
        elif attribute.returned != "request" or (urn, attribute.name) in projection.written:
            _keep(result, name, _without(attribute, value, unwanted.get(name, set())))
    return result


def _keep(result: dict[str, Any], name: str, value: Any) -> None:
    if value not in (None, [], {}):
        result[name] = value


def _only(attribute: Attribute, value: Any, subs: set[str] | None) -> Any:
    if subs is None:
        return value
    if isinstance(value, list):
        return [kept for element in value if (kept := _only(attribute, element, subs))]
    return {name: inner for name, inner in value.items() if name in subs} if isinstance(value, dict) else value


def _without(attribute: Attribute, value: Any, subs: set[str] | None) -> Any:
    if subs is None:
        return None
    if not subs:
        return value
    if isinstance(value, list):
        return [kept for element in value if (kept := _without(attribute, element, subs))]
    return {name: inner for name, inner in value.items() if name not in subs} if isinstance(value, dict) else value
