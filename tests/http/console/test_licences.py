"""Settings → Licences: counters, chart, and what is changed about seats (T11, T12, T16, R44, R47, R52 to R54)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from scim_server.directory import life, seats
from scim_server.domain.contact import Event
from scim_server.domain.seats import Policy, Pool
from tests.directory.desk import Desk
from tests.http.browser import Browser
from tests.http.console.visits import visiting
from tests.support import World

PATH = "/console/settings/licences"


@pytest.fixture
def owner(world: World) -> Browser:
    return visiting(world)


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world)


def pool(desk: Desk, licence: str = "member") -> Pool:
    return seats.show(desk.directory, desk.call.actor, licence)[0].pool


def send(browser: Browser, end: str, **fields: str) -> tuple[int, str]:
    """Send the form at an address below the licences; the status, and the page that comes of it."""
    path = f"{PATH}/{end}"
    answer = browser.send(path, path.partition("?")[0], **fields)
    if answer.status_code == 303:
        return 303, browser.get(answer.headers["Location"]).text
    return answer.status_code, answer.text


def counters(page: str, licence: str) -> dict[str, str]:
    """The numbers on a licence type's card."""
    card = re.split(r'<section class="card"', page)
    (found,) = [each for each in card if f">{licence}</h2>" in each]
    return dict(re.findall(r"<dt>(\w+)</dt><dd>([^<]*)</dd>", found))


def test_counters_by_type(desk: Desk, owner: Browser) -> None:
    desk.person("ann@x.test", active=True)
    desk.invite(desk.person("bob@x.test"))
    page = owner.get(PATH).text
    expected = {"Purchased": "100", "Assigned": "2", "Reserved": "1", "Available": "97", "Over": "0", "Withheld": "0"}
    assert counters(page, "member") == expected
    assert counters(page, "client") == {"Assigned": "0", "Reserved": "0"}
    assert "Unlimited" in page
    assert "Use of &#39;member&#39; seats over time" in page
    assert page.count("<svg class=") == 1, "there is nothing to draw of what nobody ever had"
    ids = re.findall(r'id="([^"]*)"', page)
    assert len(ids) == len(set(ids))


def test_r53_seats_are_added(desk: Desk, owner: Browser) -> None:
    status, page = send(owner, "add?type=member", quantity="1")
    assert status == 303
    assert "1 &#39;member&#39; seat added; 101 are purchased now." in page
    assert "2,000 &#39;member&#39; seats added; 2,101" in send(owner, "add", quantity="2000")[1]
    assert pool(desk).purchased == 2101


@pytest.mark.parametrize("end", ["add", "reduce"])
@pytest.mark.parametrize("quantity", ["", "0", "-1", "1.5", "many", "100001", "9" * 50, "٣"])
def test_what_is_no_number_of_seats_is_kept_and_told(desk: Desk, owner: Browser, end: str, quantity: str) -> None:
    status, page = send(owner, end, quantity=quantity)
    assert status == 400
    assert "Type how many seats, as a whole number from 1 to 100,000." in page
    assert not quantity or f'value="{quantity}"' in page
    assert pool(desk).purchased == 100


def test_r47_a_reduction_is_scheduled_and_cancelled(desk: Desk, owner: Browser) -> None:
    seats.set_billing_day(desk.directory, desk.call.actor, 5)
    form = owner.get(f"{PATH}/reduce").text
    (effective,) = re.findall(r"begins on <strong>([^<]*)<", form)
    assert effective.endswith("-05")
    status, page = send(owner, "reduce", quantity="99")
    assert status == 303
    assert f"99 &#39;member&#39; seats will go on {effective}." in page
    assert pool(desk).purchased == 100, "not before its day"
    assert "Scheduled" in page
    assert "it waits until enough are free" not in page
    status, page = send(owner, "reduce", quantity="5")
    assert status == 403
    assert "99 go already" in page
    (reduction,) = seats.show(desk.directory, desk.call.actor, "member")[0].reductions
    end = f"reductions/{reduction.id}/cancel"
    question = owner.get(f"{PATH}/{end}").text
    assert "Cancel this reduction?" in question
    assert ">Keep it</a>" in question
    assert "is cancelled." in send(owner, end)[1]
    assert seats.show(desk.directory, desk.call.actor, "member")[0].reductions == ()
    assert owner.get(f"{PATH}/{end}").status_code == 404


def test_a_reduction_that_would_wait_says_so_and_one_that_waits_warns(desk: Desk, owner: Browser) -> None:
    for name in ("ann", "bob"):
        desk.person(f"{name}@x.test", active=True)
    _, page = send(owner, "reduce", quantity="98")
    assert "With 3 seats in use then, as now, it waits until enough are free." in page
    early = Desk(desk.world, now=datetime.now(UTC) - timedelta(days=70))
    seats.add_licence(early.directory, early.call.actor, "analyst", counted=True)
    seats.add(early.directory, early.call.actor, "analyst", 1)
    early.person("eve@x.test", active=True, entitlements=[{"type": "license", "value": "analyst"}])
    reduction = seats.reduce(early.directory, early.call.actor, "analyst", 1)
    page = owner.get(PATH).text
    assert counters(page, "analyst")["Withheld"] == "1"
    assert "Waiting" in page
    assert "has been due since" in page
    end = f"{PATH}/reductions/{reduction.id}/cancel"
    assert end not in page, "its day has come"
    answer = owner.send(end, end)
    assert answer.status_code == 403
    assert "Its day has come" in answer.text


def test_a_policy_is_chosen_and_over_is_warned_about(desk: Desk, owner: Browser) -> None:
    assert 'value="block" aria-describedby="block-hint" checked' in owner.get(f"{PATH}/policy?type=member").text
    status, page = send(owner, "policy?type=member", policy="allow")
    assert status == 303
    assert "Allows more than purchased" in page
    for number in range(100):
        desk.person(f"u{number}@x.test", active=True)
    page = owner.get(PATH).text
    assert counters(page, "member")["Over"] == "1"
    assert "1 seat is in use beyond the" in page
    status, page = send(owner, "policy?type=member", policy="block")
    assert status == 403
    assert "Add seats or deactivate users, then block." in page
    assert 'value="block" aria-describedby="block-hint" checked' in page, "what was chosen is kept"
    for end in ("policy?type=client", "policy?type=none", "policy"):
        assert owner.get(f"{PATH}/{end}").status_code == 404
    token = owner.form(f"{PATH}/policy?type=member", f"{PATH}/policy")
    assert owner.open("POST", f"{PATH}/policy", {**token, "policy": "none"}).status_code == 404


def test_a_full_pool_is_warned_about(desk: Desk, owner: Browser) -> None:
    assert "No seat is free" not in owner.get(PATH).text
    seats.add_licence(desk.directory, desk.call.actor, "analyst", counted=True)
    assert "is refused, until a seat is added" in owner.get(PATH).text
    seats.set_policy(desk.directory, desk.call.actor, "analyst", Policy.ALLOW)
    assert "is given a seat beyond the purchased ones" in owner.get(PATH).text


def test_a_licence_type_is_made(desk: Desk, owner: Browser) -> None:
    assert "There is a licence type &#39;analyst&#39; now. Add seats to it." in send(owner, "new", name="analyst")[1]
    assert send(owner, "new", name="guest <b>", counted="no")[0] == 303
    assert not seats.show(desk.directory, desk.call.actor, "guest <b>")[0].licence.counted
    status, page = send(owner, "new", name="Analyst", counted="no")
    assert status == 403
    assert "already" in page
    assert 'value="Analyst"' in page
    assert re.search(r'value="no"[^>]* checked', page)
    assert send(owner, "new", name="")[0] == 403
    page = owner.get(PATH).text
    assert "guest &lt;b&gt;</h2>" in page
    assert "guest <b>" not in page
    assert "holders?type=guest%20%3Cb%3E" in page
    assert '<option value="member" selected>' in owner.get(f"{PATH}/add").text
    form = owner.get(f"{PATH}/add?type=analyst").text
    assert '<option value="analyst" selected>' in form
    assert "guest" not in form, "what isn't counted isn't bought"
    assert send(owner, "add?type=analyst", type="analyst", quantity="3")[0] == 303
    assert pool(desk, "analyst").purchased == 3
    status, page = send(owner, "add", type="none", quantity="3")
    assert status == 403
    assert "There is no licence type &#39;none&#39;." in page


def test_the_chart_has_the_last_twelve_months_and_a_table(desk: Desk, owner: Browser) -> None:
    now = datetime.now(UTC)
    early = Desk(desk.world, now=now - timedelta(days=500))
    seats.add_licence(early.directory, early.call.actor, "analyst", counted=True)
    seats.add(early.directory, early.call.actor, "analyst", 10)
    early.now = now - timedelta(days=100)
    seats.add(early.directory, early.call.actor, "analyst", 30)
    page = owner.get(PATH).text
    (drawn,) = [each for each in re.findall(r"<svg class=.*?</svg></svg>", page, re.S) if "analyst" in each]
    assert 'd="M0 750H264V0H365"' in drawn
    days = re.findall(r'<th scope="row" class="table__tight">([\d-]*)</th>\s*<td class="table__number">(\d+)', page)
    assert ((now - timedelta(days=100)).date().isoformat(), "40") in days
    assert ((now - timedelta(days=365)).date().isoformat(), "10") in days, "what there was before"


def test_who_holds_what(desk: Desk, owner: Browser) -> None:
    desk.person("ann@x.test", active=True, displayName="Ann Lee")
    desk.invite(desk.person("bob@x.test", displayName="Bob Ray"))
    page = owner.get(f"{PATH}/holders").text
    assert "Ann Lee" in page
    assert "ann@x.test" in page
    assert "Bob Ray" in page
    reserved = owner.get(f"{PATH}/holders?type=member&state=reserved").text
    assert "Bob Ray" in reserved
    assert "Ann Lee" not in reserved
    assert "Bob Ray" not in owner.get(f"{PATH}/holders?state=assigned").text
    for query in ("state=over", "type=client"):
        assert "Nobody holds such a seat" in owner.get(f"{PATH}/holders?{query}").text
    for query in ("state=free", "type=none", "type=%00"):
        assert owner.get(f"{PATH}/holders?{query}").status_code == 404
    assert owner.get(f"{PATH}/holders?after=%00").status_code == 403


def test_holders_and_ledger_page_by_page(desk: Desk, owner: Browser) -> None:
    names = [f"p{number:03}@x.test" for number in range(60)]
    for name in names:
        desk.person(name, active=True)
    for end in ("holders", "ledger"):
        page, found = owner.get(f"{PATH}/{end}?type=member").text, list[str]()
        assert "First page" not in page
        for _ in range(2):
            found += re.findall(r"p\d{3}@x\.test(?=</a>)", page)
            following = re.findall(r'rel="next" href="([^"]*)"', page)
            page = owner.get(following[0].replace("&amp;", "&")).text if following else page
        assert sorted(found) == names, end
        assert "First page" in page


def test_the_ledger_says_who_and_why(desk: Desk, owner: Browser) -> None:
    ann = desk.person("ann@x.test", active=True, displayName="Ann Lee")
    send(owner, "add", quantity="5")
    path = f"/console/settings/users/{ann}/deactivate"
    assert owner.send(path, path).status_code == 303
    rows = re.findall(r"<tr>(.*?)</tr>", owner.get(f"{PATH}/ledger").text, re.S)[1:]
    texts = [re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", row)) for row in rows]
    assert "Freed member: assigned -1" in texts[0]
    assert "Ann Lee" in texts[0]
    assert "Workspace Owner deactivated" in texts[0]
    assert "Added member: purchased +5" in texts[1]
    assert "Workspace Owner added seats" in texts[1]
    assert "Assigned member: assigned +1" in texts[2]
    life.delete(desk.directory, desk.call.actor, ann)
    after = owner.get(f"{PATH}/ledger").text
    assert "Ann Lee" not in after
    assert "ann@x.test" not in after
    assert "Deleted contact" in after


def test_a_settled_seat_names_what_settled_it(desk: Desk, owner: Browser) -> None:
    seats.add_licence(desk.directory, desk.call.actor, "analyst", counted=True)
    seats.set_policy(desk.directory, desk.call.actor, "analyst", Policy.ALLOW)
    desk.person("eve@x.test", active=True, entitlements=[{"type": "license", "value": "analyst"}])
    send(owner, "add", type="analyst", quantity="1")
    rows = re.findall(r"<tr>(.*?)</tr>", owner.get(f"{PATH}/ledger?type=analyst").text, re.S)[1:]
    assert "Settled, was over" in rows[0]
    assert "added seats" in rows[0]


def test_r44_deactivating_frees_a_seat_and_buys_no_fewer(desk: Desk, owner: Browser) -> None:
    ann = desk.person("ann@x.test", active=True)
    before = counters(owner.get(PATH).text, "member")
    life.act(desk.directory, desk.call.actor, ann, Event.DEACTIVATE)
    after = counters(owner.get(PATH).text, "member")
    assert (before["Assigned"], before["Available"]) == ("2", "98")
    assert (after["Assigned"], after["Available"], after["Purchased"]) == ("1", "99", "100")


def test_only_who_manages_seats(desk: Desk, world: World) -> None:
    team = visiting(world, "team")
    for end in ("", "/add", "/reduce", "/policy?type=member", "/new", "/holders", "/ledger"):
        assert team.get(f"{PATH}{end}").status_code == 403
    token = team.form("/console/account", "/signout")
    for end, fields in (("add", {"quantity": "1"}), ("reduce", {"quantity": "1"}), ("policy", {"policy": "allow"})):
        assert team.open("POST", f"{PATH}/{end}", {**token, "type": "member", **fields}).status_code == 403
    assert team.open("POST", f"{PATH}/new", {**token, "name": "x"}).status_code == 403
    assert pool(desk).purchased == 100
