"""Runs cases against a target: makes what they stand on, carries out their steps, judges, and removes what was made.

Knows how a case ends; knows no report and no case.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote, unquote_to_bytes

from conformance.case import Case, Step
from conformance.discovery import ENTERPRISE_URN, GROUP_URN, USER_URN, Discovered
from conformance.exchange import Elsewhere, Exchange, Target, Throttled, Unreachable, Unsendable, printable
from conformance.expectations import NotMet, check
from conformance.places import NotThere, at, filled


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


# What a first request may be answered with that says nothing of the requirement, unless that is about refusals.
_NO_GROUND: Final = frozenset((401, 403, 500, 502, 503, 504))
_OF_REFUSALS: Final = ("rfc7644/2", "rfc7644/3.12")
# What is removed: nothing but a User or Group, by an id that no path swallows.
_OURS: Final = re.compile(r"/(Users|Groups)/(?!\.\.?$)[^/?#]+")
_GONE: Final = (*range(200, 300), 404, 410)
_HALVES: Final = "surrogatepass"  # those of a surrogate pair have no other bytes
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
    stop: Callable[[], None] = lambda: None  # raises KeyboardInterrupt where the run is to end

    def send(self, method: str, path: str, **parts: Any) -> Exchange:
        """Send a request and note what it makes. Raises Unreachable; KeyboardInterrupt once that is noted."""
        exchange = self.target.send(method, path, **parts)
        self.exchanges.append(exchange)
        self._note(exchange)
        self.stop()
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
            told = exchange.header("location") or at(body, "meta/location")
            named = isinstance(at(body, "id"), str | int)
            own = f"{exchange.url.partition('?')[0]}/{_quoted(str(at(body, 'id')).encode(errors=_HALVES))}"
            places.append(told if isinstance(told, str) else own if named else None)
        self.made += [path_of(place) for place in places if isinstance(place, str)]


def path_of(location: str) -> str:
    """The path below the base URL of a resource that was made at that URI, each part of it quoted."""
    path = location.partition("?")[0].partition("#")[0].rstrip("/")
    return "".join("/" + _quoted(unquote_to_bytes(part.encode(errors=_HALVES))) for part in path.split("/")[-2:])


def _quoted(part: bytes) -> str:
    return quote(part, safe="")


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
        if _without_ground(case, session.exchanges):
            outcome = Outcome.SETUP_FAILED
    except (SetupFailed, NotThere, Throttled, Unsendable) as error:
        outcome, message = Outcome.SETUP_FAILED, str(error)
    except RecursionError:
        outcome, message = Outcome.SETUP_FAILED, "an answer has an unexpected form: it is nested too deep"
    except (Unsupported, Elsewhere) as error:
        outcome, message = Outcome.UNSUPPORTED, str(error)
    except Unreachable as error:
        # a request may be too much for a server; when it answers others, only this case is lost
        with suppress(Throttled):
            session.target.send("GET", "/ServiceProviderConfig")
        outcome, message = Outcome.SETUP_FAILED, f"no answer: {error}"
    except Exception as error:  # noqa: BLE001 - a fault of this suite must never be counted against the target
        outcome, message = Outcome.BROKEN, f"{type(error).__name__}: {error}"
    seconds = sum(exchange.seconds for exchange in session.exchanges)
    return Result(
        case=case,
        outcome=outcome,
        message=printable(message),
        exchanges=tuple(session.exchanges),
        seconds=round(seconds, 6),
    )


def _without_ground(case: Case, exchanges: Sequence[Exchange]) -> bool:
    """Whether the very first answer refuses the client, or fails, in a case that isn't about refusals."""
    if not exchanges or exchanges[0].status not in _NO_GROUND:
        return False
    first = case.steps[0]
    about = any(case.section == each or case.section.startswith(f"{each}.") for each in _OF_REFUSALS)
    own_credentials = any(name.lower() == "authorization" for name in first.headers)
    return not about and not own_credentials and not any(map(_of_an_error, first.expect))


def _of_an_error(expectation: Any) -> bool:
    """Whether an expectation is of an error, or may be met by one."""
    if isinstance(expectation, str):
        return expectation.startswith("error")
    if expectation[0] == "status":
        wanted = expectation[2] if isinstance(expectation[2], list) else [expectation[2]]
        return any(isinstance(each, int) and each >= 400 for each in wanted)
    return isinstance(expectation[0], list)  # the statuses of several at once


def _given(given: Mapping[str, Any], session: Session) -> Any:
    return filled({name: value for name, value in given.items() if name != "type"}, session.saved)


def carry_out(step: Step, session: Session, procedures: Mapping[str, Callable[..., Any]]) -> Any:
    """One step of a case. Raises NotMet, SetupFailed, Unsupported, Unreachable."""
    if step.run:
        result = _procedure(procedures[step.run], session, filled(dict(step.arguments), session.saved))
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


def _procedure(procedure: Callable[..., Any], session: Session, arguments: Mapping[str, Any]) -> Any:
    """What the procedure gives. Raises what it raises; SetupFailed where it stumbles over what an answer has in it."""
    try:
        return procedure(session, **arguments)
    except (TypeError, AttributeError, LookupError) as error:
        raise SetupFailed(f"an answer has an unexpected form: {type(error).__name__}: {error}") from error


def _sent(step: Step, session: Session) -> Exchange:
    method, _, path = step.send.partition(" ")
    saved = session.saved
    body = filled(step.body, saved)
    if method == "POST":
        body = _in_bulk(body, session) if path == "/Bulk" else _completed(path, body, session)
    raw = filled(step.raw, saved)
    return session.send(
        method,
        str(filled(path, saved)),
        query=filled(dict(step.query), saved),
        body=body,
        raw=raw if raw is None else str(raw),
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
    leave: Callable[[str], None] = lambda _: None,
    stop: Callable[[], None] = lambda: None,
) -> list[Result]:
    """Run the cases in their order, tell each result as it comes, and remove what each made, last first.

    That is removed also when the run is interrupted; `leave` is told the path of what couldn't be. `stop` is called
    before each case and after each request, and raises KeyboardInterrupt where the run is to end. Raises Unreachable.
    """
    made: list[str] = []
    results: dict[str, Result] = {}
    unique = f"scim-{secrets.token_hex(4)}"
    try:
        for number, case in enumerate(cases):
            stop()
            result = _refused(case, discovered, results)
            if result is None:
                saved = {
                    "run": unique,
                    "unique": f"{unique}-{number}",
                    "config": discovered.config or {},
                    "base": target.url,
                }
                session = Session(target, discovered, made, extra or {}, saved, stop=stop)
                result = run_case(case, session, procedures)
                remove(target, made, leave)  # at once: the target may have licences for a few people only
            results[case.id] = result
            tell(result)
    finally:
        try:
            remove(target, made, leave)
        finally:
            for place in made:
                leave(place)
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


def remove(target: Target, made: list[str], leave: Callable[[str], None]) -> None:
    """Delete what was made, last first, and empty the list; `leave` is told what neither is gone already nor goes."""
    while made:
        try:
            gone = bool(_OURS.fullmatch(made[-1])) and target.send("DELETE", made[-1]).status in _GONE
        except (Unreachable, Unsendable, Elsewhere):
            gone = False
        place = made.pop()
        if not gone:
            leave(place)
