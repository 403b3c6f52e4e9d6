"""How cases are ordered, carried out, judged and cleaned up after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from conformance.case import BadCase, Case, Step, all_cases, in_order, with_dependencies
from conformance.discovery import discover
from conformance.exchange import Unreachable
from conformance.expectations import NotMet
from conformance.runner import Outcome, Result, Session, Unsupported, run
from tests.conformance.tiny import TOKEN, Tiny

GET = Step(send="GET /Users/${ann/id}", expect=(["status", "is", 200],))


def case(name: str, *steps: Step, level: str = "MUST", **parts: Any) -> Case:
    return Case(id=f"rfc0/1/{name}", requirement="It does.", level=level, profile="rfc", steps=steps, **parts)


def outcomes(tiny: Tiny, *cases: Case, procedures: Mapping[str, Any] | None = None) -> dict[str, Outcome]:
    return {
        name.rpartition("/")[2]: result.outcome for name, result in results(tiny, *cases, procedures=procedures).items()
    }


def results(tiny: Tiny, *cases: Case, procedures: Mapping[str, Any] | None = None) -> dict[str, Result]:
    target = tiny.target()
    found = run(cases, target, discover(target), procedures or {})
    return {result.case.id: result for result in found}


def test_each_case_comes_after_those_it_depends_on() -> None:
    last, middle, first = (
        case("last", depends_on=("rfc0/1/middle",)),
        case("middle", depends_on=("rfc0/1/first",)),
        case("first"),
    )
    assert [each.id for each in in_order([last, middle, first])] == ["rfc0/1/first", "rfc0/1/middle", "rfc0/1/last"]
    assert with_dependencies([last], [last, middle, first, case("other")]) == [first, middle, last]


def test_a_circle_is_refused() -> None:
    with pytest.raises(BadCase, match="depend on each other: rfc0/1/a, rfc0/1/b"):
        in_order([case("a", depends_on=("rfc0/1/b",)), case("b", depends_on=("rfc0/1/a",))])


@pytest.mark.parametrize(
    ("level", "outcome"),
    [("MUST", Outcome.FAIL), ("SHOULD", Outcome.WARN), ("MAY", Outcome.SEEN), ("OBSERVE", Outcome.SEEN)],
)
def test_what_is_not_met_weighs_by_its_level(level: str, outcome: Outcome) -> None:
    assert outcomes(Tiny(), case("a", Step(send="GET /Users/0", expect=(["status", "is", 200],)), level=level)) == {
        "a": outcome
    }


def test_what_is_met_passes_and_keeps_its_exchanges() -> None:
    done = results(Tiny(), case("a", GET, given={"ann": {}}))["rfc0/1/a"]
    assert (done.outcome, len(done.exchanges), done.message) == (Outcome.PASS, 2, "")


def test_a_step_that_prepares_fails_the_setup_and_not_the_requirement() -> None:
    step = Step(send="GET /Users/0", expect=(["status", "is", 200],), setup=True)
    assert outcomes(Tiny(), case("a", step)) == {"a": Outcome.SETUP_FAILED}


def test_what_is_given_but_cannot_be_made_fails_the_setup() -> None:
    tiny = Tiny(instead=lambda method, _: (500, {}) if method == "POST" else None)
    assert outcomes(tiny, case("a", GET, given={"ann": {}})) == {"a": Outcome.SETUP_FAILED}


def test_a_case_is_blocked_by_one_that_failed_and_not_by_one_that_warned() -> None:
    bad = Step(send="GET /Users/0", expect=(["status", "is", 200],))
    good = Step(send="GET /Users/0")
    assert outcomes(
        Tiny(),
        case("failed", bad),
        case("warned", bad, level="SHOULD"),
        case("after-failed", good, depends_on=("rfc0/1/failed",)),
        case("after-blocked", good, depends_on=("rfc0/1/after-failed",)),
        case("after-warned", good, depends_on=("rfc0/1/warned",)),
    ) == {
        "failed": Outcome.FAIL,
        "warned": Outcome.WARN,
        "after-failed": Outcome.BLOCKED,
        "after-blocked": Outcome.BLOCKED,
        "after-warned": Outcome.PASS,
    }


def test_what_is_not_declared_is_not_asked_for() -> None:
    tiny = Tiny(config={"bulk": {"supported": False}, "patch": {"supported": True}})
    step = Step(send="GET /Users/0")
    assert outcomes(tiny, case("bulk", step, needs=("bulk",)), case("patch", step, needs=("patch",))) == {
        "bulk": Outcome.UNSUPPORTED,
        "patch": Outcome.PASS,
    }
    assert tiny.asked.count("GET /Users/0") == 1


def test_faults_of_the_suite_are_its_own() -> None:
    unfilled = case("unfilled", Step(send="GET /Users/${nobody/id}"))
    no_operator = case("no-operator", Step(send="GET /Users/0", expect=(["status", "looks", 200],)))
    no_procedure = case("no-procedure", Step(run="nothing"))
    assert set(outcomes(Tiny(), unfilled, no_operator, no_procedure).values()) == {Outcome.BROKEN}


def test_a_procedure_gets_its_arguments_filled_and_its_result_saved() -> None:
    def twice(session: Session, text: str) -> str:
        assert isinstance(session, Session)
        return text * 2

    def refuse(_: Session) -> None:
        raise NotMet("no")

    def cannot(_: Session) -> None:
        raise Unsupported("it can't")

    steps = (
        Step(run="twice", arguments={"text": "${ann/id}"}, save="double"),
        Step(send="GET /Users/${double}", expect=(["status", "is", 404],)),
    )
    assert outcomes(
        Tiny(),
        case("twice", *steps, given={"ann": {}}),
        case("refuse", Step(run="refuse")),
        case("cannot", Step(run="cannot")),
        procedures={"twice": twice, "refuse": refuse, "cannot": cannot},
    ) == {"twice": Outcome.PASS, "refuse": Outcome.FAIL, "cannot": Outcome.UNSUPPORTED}


def test_requests_at_once_are_judged_by_all_their_statuses() -> None:
    both = (Step(send="GET /Users/0"), Step(send="GET /ServiceProviderConfig"))
    met = Step(parallel=both, expect=([[200, 404]],))
    not_met = Step(parallel=both, expect=([[200, 200]],))
    assert outcomes(Tiny(), case("met", met), case("not-met", not_met)) == {
        "met": Outcome.PASS,
        "not-met": Outcome.FAIL,
    }


def test_bodies_are_made_whole_where_they_ask_for_it() -> None:
    tiny = Tiny()
    whole = Step(send="POST /Users", body={"complete": True, "displayName": "Ann", "emails": None}, save="one")
    bare = Step(send="POST /Users", body={"displayName": "Bob"}, save="two")
    kept: list[Any] = []
    look = Step(run="look", arguments={"one": "${one}", "two": "${two}"})
    outcomes(tiny, case("a", whole, bare, look), procedures={"look": lambda _, one, two: kept.extend((one, two))})
    assert kept[0]["userName"].endswith("@example.com")
    assert kept[0]["displayName"] == "Ann"
    assert not {"complete", "emails"} & kept[0].keys()
    assert "userName" not in kept[1]


def test_all_that_was_made_is_removed_last_first() -> None:
    tiny = Tiny()
    bad = (Step(send="POST /Users", body={}), Step(send="GET /Users/0", expect=(["status", "is", 200],)))
    outcomes(tiny, case("a", *bad, given={"ann": {}, "crew": {"type": "Group"}}))
    removed = [each.partition(" ")[2].rpartition("/")[0] for each in tiny.asked if each.startswith("DELETE")]
    assert removed == ["/Users", "/Groups", "/Users"]
    assert tiny.kept == {}


def test_what_bulk_made_is_removed_too() -> None:
    done = {"Operations": [{"status": "201", "location": "http://tiny.example/v2/Users/9"}, {"status": 400}]}
    tiny = Tiny(kept={"/Users/9": {}}, instead=lambda _, path: (200, done) if path == "/Bulk" else None)
    outcomes(tiny, case("a", Step(send="POST /Bulk", body={})))
    assert tiny.asked[-1] == "DELETE /Users/9"


def test_all_that_was_made_is_removed_also_after_an_interruption() -> None:
    def interrupt(_: Session) -> None:
        raise KeyboardInterrupt

    tiny = Tiny()
    with pytest.raises(KeyboardInterrupt):
        outcomes(
            tiny,
            case("a", Step(send="GET /Users/0"), given={"ann": {}, "bob": {}}),
            case("b", Step(run="interrupt"), given={"cid": {}}),
            procedures={"interrupt": interrupt},
        )
    assert sum(each.startswith("POST") for each in tiny.asked) == 3
    assert tiny.kept == {}


def test_a_request_that_gets_no_answer_costs_only_its_case() -> None:
    def drop(_: str, path: str) -> None:
        if path == "/drop":
            raise httpx.RemoteProtocolError("closed")

    dropped = case("dropped", Step(send="GET /drop"))
    assert outcomes(Tiny(instead=drop), dropped, case("next", Step(send="GET /Users/0"))) == {
        "dropped": Outcome.SETUP_FAILED,
        "next": Outcome.PASS,
    }


def test_a_server_that_answers_nothing_any_more_ends_the_run() -> None:
    gone: list[str] = []

    def go(_: str, path: str) -> None:
        if gone or path == "/drop":
            gone.append(path)
            raise httpx.ConnectError("refused")

    with pytest.raises(Unreachable):
        outcomes(Tiny(instead=go), case("dropped", Step(send="GET /drop"), given={"ann": {}}))


def test_a_case_that_only_reads_is_told_from_one_that_writes() -> None:
    reading = [Step(send="GET /Users"), Step(send="POST /Users/.search"), Step(send="POST /.search")]
    assert [case("a", step).writes for step in reading] == [False] * 3
    writing = [Step(send="POST /Users"), Step(send="DELETE /Users/1"), Step(send="POST /Bulk")]
    assert [case("a", step).writes for step in writing] == [True] * 3
    assert case("a", Step(send="GET /Users"), given={"ann": {}}).writes


def test_an_exchange_keeps_no_secret_and_is_a_command() -> None:
    account = "http://ann:geheim@tiny.example/v2"
    target = Tiny().target(headers={"x-api-key": "a-key-of-the-tests", "x-tenant": "7"}, url=account)
    exchange = target.send("POST", "/Users", query={"token": TOKEN}, body={"nickName": f"it's {TOKEN}"})
    shown = f"{exchange} {exchange.curl()}"
    for secret in (TOKEN, "a-key-of-the-tests", "geheim"):
        assert secret not in shown
    command = exchange.curl()
    assert '-H "authorization: Bearer $TOKEN"' in command
    assert '-H "x-api-key: $X_API_KEY"' in command
    assert '-H "x-tenant: $X_TENANT"' in command
    assert command.endswith('"http://$ACCOUNT@tiny.example/v2/Users?token=$TOKEN"')
    assert "authorization" not in target.send("GET", "/Users/0", headers={"authorization": None}).curl()


def test_every_case_has_a_section_and_lines_up() -> None:
    assert len(in_order(all_cases())) == len(all_cases()) >= 350
