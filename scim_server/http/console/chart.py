"""The chart of a licence type's use over time, as SVG: a pure function of rows and a day.

What is purchased is a line in steps, what is in use an area. Sizes are shares of the width, so that words stay legible
on a phone; colours are the style sheet's, by class. Knows no database, request or clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from markupsafe import Markup

LONGEST: Final = 365  # days: what "the last 12 months" are
SHORTEST: Final = 7
HEIGHT: Final = 1000  # of the drawing, which is stretched to its place
_MOST_LINES: Final = 4  # above the one for zero
_MOST_DAYS: Final = 8  # that are named below
_DAY_STEPS: Final = (1, 2, 7, 14)
_EDGE: Final = 10  # days: a month that begins later has no room for its name
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_FRAME: Final = Markup(
    '<svg class="chart" role="img" aria-labelledby="{key}-title {key}-words" xmlns="http://www.w3.org/2000/svg">'
    '<title id="{key}-title">{title}</title><desc id="{key}-words">{words}</desc>{scale}'
    '<svg width="100%" height="100%" viewBox="0 0 {width} {height}" preserveAspectRatio="none" overflow="visible">'
    "{drawing}</svg></svg>"
)
_LINE: Final = Markup(
    '<line class="chart__line" x1="0" x2="100%" y1="{at}%" y2="{at}%"/>'
    '<text class="chart__label" x="-8" y="{at}%" dy="0.35em" text-anchor="end">{name}</text>'
)
_NAME: Final = Markup(
    '<text class="chart__label{kind}" x="{at}%" y="100%" dy="1.6em" text-anchor="{anchor}">{name}</text>'
)
_PATH: Final = Markup('<path class="chart__{name}" d="{path}" vector-effect="non-scaling-stroke"/>')


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """How many seats were purchased and in use at the end of a day (UTC), and until the next point."""

    day: date
    purchased: int
    in_use: int


@dataclass(frozen=True, slots=True)
class _Span:
    """The days that are drawn, both ends included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def offset(self, day: date) -> int:
        return (day - self.first).days

    def share(self, offset: float) -> float:
        """Where the day of that offset begins, in per cent of the width."""
        return round(100 * offset / self.days, 2)


def since(today: date) -> date:
    """The first day of the last 12 months."""
    return today - timedelta(days=LONGEST - 1)


def draw(points: Sequence[Point], today: date, *, title: str, key: str, counted: bool = True) -> Markup:
    """The chart up to `today`, of at least SHORTEST and at most LONGEST days, as one <svg> with title and description.

    `points` go from the earliest to the latest, one a day at most; one before the span is what there was when it began.
    `key` begins the ids in it, and must be another for each chart of a page. Of a type that isn't `counted` nothing is
    purchased, and no line is drawn.
    """
    span = _span(points, today)
    known = _within(points, span)
    step, top = scale_of(max((max(each.purchased, each.in_use) for each in known), default=0))
    drawing = _drawing(known, span, top, counted=counted)
    scale = Markup("").join([*_heights(step, top), *_dates(span)])
    return _FRAME.format(
        key=key,
        title=title,
        words=_words(known, span, counted=counted),
        scale=scale,
        width=span.days,
        height=HEIGHT,
        drawing=drawing,
    )


def scale_of(most: int) -> tuple[int, int]:
    """Step and top of an axis from 0 on that `most` fits on: round whole numbers, at most _MOST_LINES steps."""
    unit = 1
    while True:
        for factor in (1, 2, 2.5, 5):
            step = round(unit * factor)
            if step == unit * factor and most <= step * _MOST_LINES:
                return step, step * max(1, -(-most // step))
        unit *= 10


def compact(number: int) -> str:
    """A number of an axis in few characters: 250, 2,500, 25k, 2.5M."""
    if number < 10_000:
        return f"{number:,}"
    return f"{number / 1_000:g}k" if number < 1_000_000 else f"{number / 1_000_000:g}M"


def day_words(day: date, *, year: bool = True) -> str:
    """A day as people read it: 6 Aug 2026."""
    return f"{day.day} {_MONTHS[day.month - 1]}{f' {day.year}' if year else ''}"


def _span(points: Sequence[Point], today: date) -> _Span:
    first = points[0].day if points else today
    return _Span(max(since(today), min(first, today - timedelta(days=SHORTEST - 1))), today)


def _within(points: Sequence[Point], span: _Span) -> list[Point]:
    """The points of the span; the last one before it stands at its beginning, unless there is one on that day."""
    before = [replace(each, day=span.first) for each in points if each.day < span.first][-1:]
    inside = [each for each in points if span.first <= each.day <= span.last]
    return inside if inside and inside[0].day == span.first else before + inside


def _drawing(points: Sequence[Point], span: _Span, top: int, *, counted: bool) -> Markup:
    if not points:
        return Markup("")
    used = _steps(points, span, top, lambda each: each.in_use)
    start = span.offset(points[0].day)
    drawn = [
        _PATH.format(name="area", path=f"M{start} {HEIGHT}{used.replace('M', 'L', 1)}V{HEIGHT}Z"),
        _PATH.format(name="used", path=used),
    ]
    if counted:
        drawn.append(_PATH.format(name="purchased", path=_steps(points, span, top, lambda each: each.purchased)))
    return Markup("").join(drawn)


def _steps(points: Sequence[Point], span: _Span, top: int, value: Callable[[Point], int]) -> str:
    """A path that keeps each point's height until the next one, and the last one's to the end."""
    parts: list[str] = []
    for each in points:
        x, y = span.offset(each.day), round(HEIGHT * (1 - value(each) / top), 1)
        parts.append(f"H{x}V{y:g}" if parts else f"M{x} {y:g}")
    return "".join((*parts, f"H{span.days}"))


def _heights(step: int, top: int) -> Iterator[Markup]:
    for value in range(0, top + 1, step):
        yield _LINE.format(at=round(100 * (1 - value / top), 2), name=compact(value))


def _dates(span: _Span) -> Iterator[Markup]:
    """The names below: months where there are many days, else days, counted back from the last one.

    Every other one is of the kind that a narrow page leaves out.
    """
    step = next((each for each in _DAY_STEPS if span.days <= each * _MOST_DAYS), None)
    if step is None:
        months = [day for day in _months(span) if span.days - span.offset(day) > _EDGE]
        names = [(span.share(span.offset(day)), _month(day)) for day in months]
        anchor = "start"
    else:
        days = [span.last - timedelta(days=back) for back in range(0, span.days, step)]
        # below its day, where a day has that much room
        anchor, place = ("middle", 0.5) if step == 1 else ("end", 1)
        names = [(span.share(span.offset(day) + place), day_words(day, year=False)) for day in days]
    for index, (at, name) in enumerate(names):
        yield _NAME.format(kind=" chart__label--minor" if index % 2 else "", at=at, anchor=anchor, name=name)


def _months(span: _Span) -> Iterator[date]:
    day = span.first.replace(day=1)
    while day <= span.last:
        if day >= span.first:
            yield day
        day = (day + timedelta(days=31)).replace(day=1)


def _month(day: date) -> str:
    return str(day.year) if day.month == 1 else _MONTHS[day.month - 1]


def _words(points: Sequence[Point], span: _Span, *, counted: bool) -> str:
    """What the chart shows, for who doesn't see it."""
    begin = f"From {day_words(span.first)} to {day_words(span.last)}."
    if not points:
        return f"{begin} No seat was purchased or in use."
    first, last, most = points[0], points[-1], max(points, key=lambda each: each.in_use)
    since_then = "" if first.day == span.first else f" Known since {day_words(first.day)}."
    used = f" In use: {first.in_use:,} at first, {last.in_use:,} now, at most {most.in_use:,} on {day_words(most.day)}."
    purchased = f" Purchased: {first.purchased:,} at first, {last.purchased:,} now." if counted else ""
    return f"{begin}{since_then}{purchased}{used}"
