"""Runs cases against a target: makes what they stand on, carries out their steps, judges, and removes what was made.

Knows how a case ends; knows no report and no case.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from conformance.case import Case, Step
from conformance.discovery import ENTERPRISE_URN, GROUP_URN, USER_URN, Discovered
from conformance.exchange import Exchange, Target, Unreachable
from conformance.expectations import NotMet, check
from conformance.places import MISSING, NotThere, at, filled


class Outcome(StrEnum):
    """How a case ended. Only FAIL speaks against the target; BROKEN is this suite's own fault."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    WARN = "warn"
    SEEN = "seen"
    UNSUPPORTED = "unsupported"
    BLOCKED = "blocked"
    SETUP_FAILED = "setup-failed"
    BROKEN = "broken"


# What it means that an expectation isn't met, by the requirement's level.
NOT_MET: Final = {"MUST": Outcome.FAIL, "SHOULD": Outcome.WARN, "MAY": Outcome.SEEN, "OBSERVE": Outcome.SEEN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one case ended, why, and what was sent and answered."""

    case: Case
    outcome: Outcome
    message: str = ""
    exchanges: tuple[Exchange, ...] = ()
    seconds: float = 0.0


class SetupFailed(Exception):
    """What a case stands on couldn't be made."""


class Unsupported(Exception):
    """The target says, by its answer, that it doesn't do this at all."""


@dataclass(slots=True)
class Session:
    """One case under way: what its steps saved, what was sent, and what there is to remove."""

    target: Target
    discovered: Discovered
    made: list[str]  # paths of resources, in the order they were made: the whole run's
    extra: Mapping[str, Any] = field(default_factory=dict)  # what every User that is made has besides
    saved: dict[str, Any] = field(default_factory=dict)
    exchanges: list[Exchange] = field(default_factory=list)

    def send(self, method: str, path: str, **parts: Any) -> Exchange:
        """Send a request and note what it makes. Raises Unreachable."""
        exchange = self.target.send(method, path, **parts)
        self.exchanges.append(exchange)
        self._note(exchange)
        return exchange

    def make(self, kind: str, body: Mapping[str, Any]) -> Any:
        """A new resource, of the type `User` or `Group`, as the target answers it. Raises SetupFailed."""
        exchange = self.send("POST", f"/{kind}s", body=self.body_of(kind, body))
        if exchange.status != 201 or not isinstance(exchange.body, dict) or not exchange.body.get("id"):
            raise SetupFailed(f"POST /{kind}s was answered with {exchange.status}: {exchange.text[:200]}")
        return exchange.body

    def body_of(self, kind: str, own: Mapping[str, Any]) -> dict[str, Any]:
        """A complete body with a name of its own; a member of None is left out."""
        unique = f"{self.saved['unique']}-{secrets.token_hex(3)}"
        if kind == "Group":
            whole: dict[str, Any] = {"schemas": [GROUP_URN], "displayName": f"{unique} group"}
        else:
            mail = {"value": f"{unique}@example.com", "type": "work", "primary": True}
            whole = {
                "schemas": [USER_URN, *([ENTERPRISE_URN] if ENTERPRISE_URN in own else [])],
                "userName": f"{unique}@example.com",
                "name": {"givenName": "Conny", "familyName": "Test"},
                "displayName": f"{unique} Test",
                "emails": [mail],
                "active": True,
                **self.extra,
            }
        return {name: value for name, value in {**whole, **own}.items() if value is not None}

    def _note(self, exchange: Exchange) -> None:
        if exchange.method != "POST" or exchange.status not in (200, 201):
            return
        body = exchange.body
        operations = at(body, "Operations")
        created = (
            [each for each in operations if str(at(each, "status")) == "201"] if isinstance(operations, list) else []
        )
        places = [at(each, "location") for each in created]
        if exchange.status == 201:
            places.append(exchange.header("location") or at(body, "meta/location"))
        self.made += ["/" + "/".join(place.rstrip("/").split("/")[-2:]) for place in places if isinstance(place, str)]


def run_case(case: Case, session: Session, procedures: Mapping[str, Callable[..., Any]]) -> Result:
    """Carry out one case. Raises Unreachable for a target that answers nothing any more; all else is an outcome."""
    outcome, message = Outcome.PASS, ""
    try:
        for name, given in case.given.items():
            session.saved[name] = session.make(given.get("type", "User"), _given(given, session))
        for step in case.steps:
            carry_out(step, session, procedures)
    except (NotMet, AssertionError) as error:
        outcome, message = NOT_MET[case.level], str(error)
    except (SetupFailed, NotThere) as error:
        outcome, message = Outcome.SETUP_FAILED, str(error)
    except Unsupported as error:
        outcome, message = Outcome.UNSUPPORTED, str(error)
    except Unreachable as error:
        # a request may be too much for a server; when it answers others, only this case is lost
        session.target.send("GET", "/ServiceProviderConfig")
        outcome, message = Outcome.SETUP_FAILED, f"no answer: {error}"
    except Exception as error:  # noqa: BLE001 - a fault of this suite must never be counted against the target
        outcome, message = Outcome.BROKEN, f"{type(error).__name__}: {error}"
    seconds = sum(exchange.seconds for exchange in session.exchanges)
    return Result(
        case=case, outcome=outcome, message=message, exchanges=tuple(session.exchanges), seconds=round(seconds, 6)
    )


def _given(given: Mapping[str, Any], session: Session) -> Any:
    return filled({name: value for name, value in given.items() if name != "type"}, session.saved)


def carry_out(step: Step, session: Session, procedures: Mapping[str, Callable[..., Any]]) -> Any:
    """One step of a case. Raises NotMet, SetupFailed, Unsupported, Unreachable."""
    if step.run:
        result: Any = procedures[step.run](session, **filled(dict(step.arguments), session.saved))
        if step.save:
            session.saved[step.save] = result
        return result
    if step.parallel:
        with ThreadPoolExecutor(len(step.parallel)) as pool:
            exchanges = list(pool.map(lambda each: _sent(each, session), step.parallel))
        statuses = sorted(exchange.status for exchange in exchanges)
        for wanted in step.expect:
            if statuses not in wanted:
                raise NotMet(f"expected these to be answered with one of {wanted}, saw {statuses}")
        return exchanges
    exchange = _sent(step, session)
    for expectation in step.expect:
        try:
            check(filled(expectation, session.saved), exchange)
        except NotMet as error:
            said = f"{exchange.method} {exchange.url}: {error}"
            raise (SetupFailed(said) if step.setup else NotMet(said)) from error
    if step.save:
        session.saved[step.save] = exchange.body
        session.saved[f"{step.save}.headers"] = dict(exchange.headers)
    return exchange


def _sent(step: Step, session: Session) -> Exchange:
    method, _, path = step.send.partition(" ")
    saved = session.saved
    body = filled(step.body, saved)
    if method == "POST":
        body = _in_bulk(body, session) if path == "/Bulk" else _completed(path, body, session)
    return session.send(
        method,
        filled(path, saved),
        query=filled(dict(step.query), saved),
        body=body,
        raw=filled(step.raw, saved),
        headers=filled(dict(step.headers), saved),
    )


def _completed(path: str, body: Any, session: Session) -> Any:
    """The body, made whole where it asks for that (`complete`)."""
    kind = path.strip("/").split("/")[0]
    if kind not in ("Users", "Groups") or not isinstance(body, Mapping) or not body.get("complete"):
        return body
    return session.body_of(kind[:-1], {name: value for name, value in body.items() if name != "complete"})


def _in_bulk(body: Any, session: Session) -> Any:
    """A bulk request, the data of each of its operations made whole likewise."""
    if not isinstance(body, Mapping) or not isinstance(body.get("Operations"), list):
        return body
    whole = [
        {**each, "data": _completed(str(each.get("path")), each["data"], session)}
        if isinstance(each, Mapping) and "data" in each
        else each
        for each in body["Operations"]
    ]
    return {**body, "Operations": whole}


def run(
    cases: Sequence[Case],
    target: Target,
    discovered: Discovered,
    procedures: Mapping[str, Callable[..., Any]],
    *,
    extra: Mapping[str, Any] | None = None,
    tell: Callable[[Result], None] = lambda _: None,
) -> list[Result]:
    """Run the cases in their order, tell each result as it comes, and remove what each made, last first.

    That is removed also when the run is interrupted. Raises Unreachable.
    """
    made: list[str] = []
    results: dict[str, Result] = {}
    unique = f"scim-{secrets.token_hex(4)}"
    try:
        for number, case in enumerate(cases):
            result = _refused(case, discovered, results)
            if result is None:
                saved = {
                    "run": unique,
                    "unique": f"{unique}-{number}",
                    "config": discovered.config or {},
                    "base": target.url,
                }
                session = Session(target, discovered, made, extra or {}, saved)
                result = run_case(case, session, procedures)
                remove(target, made)  # at once: the target may have licences for a few people only
            results[case.id] = result
            tell(result)
    finally:
        remove(target, made)
    return list(results.values())


def _refused(case: Case, discovered: Discovered, results: Mapping[str, Result]) -> Result | None:
    """Why the case isn't run at all, if so."""
    for need in case.needs:
        if not discovered.has(need):
            return Result(case=case, outcome=Outcome.UNSUPPORTED, message=f"the server doesn't declare {need}")
    for other in case.depends_on:
        ended = results.get(other)
        if ended is not None and ended.outcome not in (Outcome.PASS, Outcome.WARN, Outcome.SEEN):
            return Result(case=case, outcome=Outcome.BLOCKED, message=f"{other} ended with {ended.outcome}")
    return None


def remove(target: Target, made: list[str]) -> None:
    """Delete what was made, last first, and empty the list; what is gone already, or can't be deleted, is let be."""
    while made:
        with suppress(Unreachable):
            target.send("DELETE", made[-1])
        made.pop()


__all__ = ["MISSING", "Outcome", "Result", "Session", "SetupFailed", "Unsupported", "carry_out", "run", "run_case"]
