"""The chart of use over time: its drawing, its axes and what it says to who doesn't see it."""

from __future__ import annotations

from datetime import date, timedelta
from xml.etree import ElementTree

import pytest

from scim_server.http.console.chart import LONGEST, SHORTEST, Point, compact, draw, scale_of, since

TODAY = date(2026, 8, 6)
NAME = "{http://www.w3.org/2000/svg}"


def point(back: int, purchased: int, in_use: int) -> Point:
    return Point(day=TODAY - timedelta(days=back), purchased=purchased, in_use=in_use)


class Chart:
    """A chart that was drawn, as XML."""

    def __init__(self, *points: Point, today: date = TODAY, title: str = "Use", counted: bool = True) -> None:
        self.root = ElementTree.fromstring(draw(points, today, title=title, key="c", counted=counted))
        self.days = int(self._one("svg").attrib["viewBox"].split()[2])

    def _one(self, name: str) -> ElementTree.Element:
        found = self.root.find(f"{NAME}{name}")
        assert found is not None
        return found

    def path(self, name: str) -> str | None:
        paths = self.root.iterfind(f".//{NAME}path")
        return next((each.attrib["d"] for each in paths if each.attrib["class"] == f"chart__{name}"), None)

    @property
    def heights(self) -> list[str]:
        return [each.text or "" for each in self.root.iterfind(f"{NAME}text") if each.attrib["x"] == "-8"]

    @property
    def dates(self) -> list[str]:
        return [each.text or "" for each in self.root.iterfind(f"{NAME}text") if each.attrib["x"] != "-8"]

    @property
    def words(self) -> str:
        return self._one("desc").text or ""


def test_values_hold_until_the_next_one_and_the_last_to_the_end() -> None:
    chart = Chart(point(9, 4, 1), point(4, 4, 3), point(2, 8, 3))
    assert chart.days == 10
    assert chart.path("used") == "M0 875H5V625H7V625H10"
    assert chart.path("purchased") == "M0 500H5V500H7V0H10"
    assert chart.path("area") == "M0 1000L0 875H5V625H7V625H10V1000Z"
    assert chart.heights == ["0", "2", "4", "6", "8"]


def test_what_was_before_the_span_stands_at_its_beginning() -> None:
    chart = Chart(point(2000, 5, 0), point(900, 10, 5), point(10, 10, 10))
    assert chart.days == LONGEST
    assert chart.path("used") == f"M0 500H{LONGEST - 11}V0H{LONGEST}"
    assert since(TODAY) == date(2025, 8, 7)
    # a row of the first day is what there was then
    assert Chart(point(900, 5, 0), point(LONGEST - 1, 8, 4)).path("used") == f"M0 500H{LONGEST}"


def test_one_day_has_room() -> None:
    chart = Chart(point(0, 10, 5))
    assert chart.days == SHORTEST
    assert chart.path("used") == f"M{SHORTEST - 1} 500H{SHORTEST}"
    assert chart.dates == ["6 Aug", "5 Aug", "4 Aug", "3 Aug", "2 Aug", "1 Aug", "31 Jul"]
    assert "Known since 6 Aug 2026." in chart.words


def test_nothing_yet_is_an_empty_chart_that_says_so() -> None:
    chart = Chart()
    assert chart.path("used") is chart.path("purchased") is chart.path("area") is None
    assert chart.heights == ["0", "1"]
    assert chart.words == "From 31 Jul 2026 to 6 Aug 2026. No seat was purchased or in use."


def test_no_seats_are_a_line_at_the_bottom() -> None:
    chart = Chart(point(6, 0, 0))
    assert chart.path("purchased") == "M0 1000H7"
    assert chart.heights == ["0", "1"]


def test_a_million_seats_have_short_labels() -> None:
    chart = Chart(point(300, 1_000_000, 712_345))
    assert chart.heights == ["0", "250k", "500k", "750k", "1M"]
    assert chart.path("used") == "M0 287.7H301"
    assert "1,000,000" in chart.words


def test_more_in_use_than_purchased_stays_within() -> None:
    assert Chart(point(6, 3, 7)).heights == ["0", "2", "4", "6", "8"]


def test_what_is_not_counted_has_no_line_of_what_is_purchased() -> None:
    chart = Chart(point(6, 0, 7), counted=False)
    assert chart.path("purchased") is None
    assert chart.path("used") is not None
    assert "urchased" not in chart.words


@pytest.mark.parametrize(
    ("back", "dates"),
    [
        (364, ["Sep", "Oct", "Nov", "Dec", "2026", "Feb", "Mar", "Apr", "May", "Jun", "Jul"]),
        (120, ["May", "Jun", "Jul"]),
        (100, ["6 Aug", "23 Jul", "9 Jul", "25 Jun", "11 Jun", "28 May", "14 May", "30 Apr"]),
        (20, ["6 Aug", "30 Jul", "23 Jul"]),
        (9, ["6 Aug", "4 Aug", "2 Aug", "31 Jul", "29 Jul"]),
    ],
)
def test_dates_are_as_many_as_fit(back: int, dates: list[str]) -> None:
    assert Chart(point(back, 1, 1)).dates == dates


def test_a_leap_day_is_a_day() -> None:
    chart = Chart(Point(day=date(2024, 2, 28), purchased=1, in_use=1), today=date(2024, 3, 5))
    assert chart.days == 7
    assert chart.dates[-2:] == ["29 Feb", "28 Feb"]


def test_words_tell_what_is_drawn() -> None:
    assert Chart(point(9, 4, 1), point(4, 4, 3), point(2, 8, 2)).words == (
        "From 28 Jul 2026 to 6 Aug 2026. Purchased: 4 at first, 8 now. "
        "In use: 1 at first, 2 now, at most 3 on 2 Aug 2026."
    )


def test_a_name_is_no_markup() -> None:
    title = "Use of '<b>&\"' seats"
    found = Chart(title=title).root.find(f"{NAME}title")
    assert found is not None
    assert found.text == title
    assert "<b>" not in draw((), TODAY, title=title, key="c")


def test_colours_are_left_to_the_style_sheet() -> None:
    text = draw([point(9, 4, 1)], TODAY, title="Use", key="c")
    assert [each for each in ("style=", "fill=", "stroke=", "#") if each in text] == []


def test_ids_are_the_charts_own() -> None:
    assert 'aria-labelledby="licence-2-title licence-2-words"' in draw((), TODAY, title="Use", key="licence-2")


@pytest.mark.parametrize("most", [0, 1, 4, 5, 9, 10, 16, 99, 100, 101, 12_345, 999_999, 10_000_000])
def test_axes_are_round_and_hold_the_most(most: int) -> None:
    step, top = scale_of(most)
    assert top >= max(most, 1)
    assert top % step == 0
    assert 1 <= top // step <= 4
    assert str(step).rstrip("0") in ("1", "2", "25", "5")
    assert top - most < step or most == 0


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0"), (2500, "2,500"), (10_000, "10k"), (250_000, "250k"), (1_000_000, "1M"), (2_500_000, "2.5M")],
)
def test_numbers_of_an_axis_are_short(number: int, words: str) -> None:
    assert compact(number) == words
