"""A run as one page that needs nothing else: no file, no network, and no script to be read. Judges nothing.

What a server answered stands in it, so everything is escaped, and the page's own policy allows nothing from outside.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any, Final

from conformance.coverage import requirements, section_of
from conformance.report.json_report import Document
from conformance.report.sections import natural
from conformance.runner import Outcome

_HERE: Final = Path(__file__).parent
# What a reader looks for first.
_ORDER: Final = (
    Outcome.FAIL,
    Outcome.BROKEN,
    Outcome.SETUP_FAILED,
    Outcome.WARN,
    Outcome.SEEN,
    Outcome.BLOCKED,
    Outcome.UNSUPPORTED,
    Outcome.PASS,
)
# Outcomes of cases that didn't get as far as their requirement.
_UNTRIED: Final = (Outcome.UNSUPPORTED, Outcome.BLOCKED, Outcome.SETUP_FAILED, Outcome.BROKEN)


@cache
def _own(name: str) -> str:
    return (_HERE / name).read_text()


def html(run: Document) -> str:
    """The page."""
    script = _own("page.js")
    trusted = b64encode(sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{trusted}'"
    name = escape(run["target"]["name"] or run["target"]["url"])
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>SCIM conformance of {name}</title>
<style>{_own("page.css")}</style>
</head>
<body>
<h1>SCIM conformance of {name}</h1>
{_about(run)}
{_bar(run["outcomes"], "whole")}
<p class="counts">{_words(run["outcomes"])}</p>
<h2>By section</h2>
{_sections(run["cases"])}
<h2>Cases</h2>
{_filter(run["outcomes"], len(run["cases"]))}
{"".join(_cases(run["cases"]))}
<script>{script}</script>
</body>
</html>
"""


def _about(run: Document) -> str:
    target = run["target"]
    lines = [
        f"{escape(target['url'])} · {escape(run['date'])} · {run['seconds']} s · "
        f"{escape(run['suite']['name'])} {escape(run['suite']['version'])}",
        f"It declares: {escape(', '.join(target['capabilities']) or 'nothing')}. "
        f"Resource types: {escape(', '.join(target['resource_types']) or 'none listed')}.",
    ]
    if run["incomplete"]:
        lines.append(f"<strong>Incomplete.</strong> {escape(run['incomplete'])}")
    if run["left"]:
        lines.append(f"Could not be removed: {escape(', '.join(run['left']))}")
    return "".join(f'<p class="about">{line}</p>' for line in lines)


def _is(outcome: str) -> str:
    """The style that gives an element the outcome's colour."""
    return f'style="--is:var(--{Outcome(outcome).value})"'


def _bar(counts: Mapping[str, int], kind: str = "") -> str:
    """How much of the whole each outcome is. The numbers stand beside it in words."""
    parts = (
        f'<i style="--is:var(--{outcome.value});flex:{counts[outcome.value]}" '
        f'title="{counts[outcome.value]} {outcome.value}"></i>'
        for outcome in Outcome
        if counts.get(outcome.value)
    )
    return f'<div class="bar {kind}">{"".join(parts)}</div>'


def _words(counts: Mapping[str, int]) -> str:
    """How many cases ended how: `3 fail, 20 warn`, in the order of interest."""
    return ", ".join(
        f"<span {_is(outcome)}>{counts[outcome.value]} {outcome.value}</span>"
        for outcome in _ORDER
        if counts.get(outcome.value)
    )


def _filter(counts: Mapping[str, int], whole: int) -> str:
    buttons = [f'<button data-outcome="" aria-pressed="true">all <b>{whole}</b></button>'] + [
        f'<button data-outcome="{outcome.value}" aria-pressed="false" {_is(outcome)}>{outcome.value} '
        f"<b>{counts[outcome.value]}</b></button>"
        for outcome in _ORDER
        if counts.get(outcome.value)
    ]
    return f'<nav aria-label="Show cases by outcome" hidden>{"".join(buttons)}</nav>'


def _by_section(cases: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for case in cases:
        found.setdefault(case["section"], []).append(case)
    for section in sorted(found, key=natural):
        yield section, found[section]


def _sections(cases: Sequence[Mapping[str, Any]]) -> str:
    """A row for each section: how its cases ended, and how many of its requirements they show."""
    known = requirements()
    shown = {each for case in cases if case["outcome"] not in _UNTRIED for each in case["covers"]}
    by_section: dict[str, list[str]] = {}
    for row in known:
        by_section.setdefault(section_of(row), []).append(row.id)
    rows = []
    for section, own in _by_section(cases):
        counts = Counter(case["outcome"] for case in own)
        ids = by_section.get(section, [])
        covered = f"{len(shown.intersection(ids))} of {len(ids)}" if ids else ""
        rows.append(_row(f'<a href="#{escape(section)}">{escape(section)}</a>', counts, covered))
    counts = Counter(case["outcome"] for case in cases)
    total = f"{sum(row.id in shown for row in known)} of {len(known)}"
    rows.append(_row("all", counts, total))
    head = '<tr><th>section</th><th>cases</th><th></th><th class="n">requirements tried</th></tr>'
    return f'<div class="wide"><table>{head}{"".join(rows)}</table></div>'


def _row(name: str, counts: Mapping[str, int], tried: str) -> str:
    return (
        f'<tr><td>{name}</td><td class="bars">{_bar(counts)}</td>'
        f'<td class="faint">{_words(counts)}</td><td class="n">{tried}</td></tr>'
    )


def _rank(case: Mapping[str, Any]) -> int:
    return _ORDER.index(Outcome(case["outcome"]))


def _cases(cases: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Every case by its section; what failed comes first, and sections with a failure before the others."""
    for section, own in sorted(_by_section(cases), key=lambda each: min(map(_rank, each[1])) != 0):
        told = "".join(map(_case, sorted(own, key=_rank)))
        yield f'<section id="{escape(section)}"><h3>{escape(section)}</h3>{told}</section>\n'


def _case(case: Mapping[str, Any]) -> str:
    outcome = case["outcome"]
    head = (
        f'<span class="outcome">{outcome}</span> {escape(case["requirement"])} '
        f'<span class="id">{escape(case["level"])} · {escape(case["id"])}</span>'
    )
    message = f'<p class="message">{escape(case["message"])}</p>' if case["message"] else ""
    exchanges = "".join(map(_exchange, case.get("exchanges", ())))
    if exchanges:
        return (
            f'<details data-is="{outcome}" {_is(outcome)}><summary>{head}{message}</summary>{_rfc(case)}{exchanges}'
            "</details>\n"
        )
    return f'<div class="case" data-is="{outcome}" {_is(outcome)}>{head}{message}</div>\n'


def _rfc(case: Mapping[str, Any]) -> str:
    """What the RFCs require, each a link to its section."""
    return "".join(
        f'<p class="faint"><a href="{escape(row["link"])}" rel="noreferrer">{escape(row["text"])}</a></p>'
        for row in case.get("rfc", ())
    )


def _exchange(exchange: Mapping[str, Any]) -> str:
    headers = "\n".join(f"{name}: {value}" for name, value in exchange["headers"].items())
    answer = f"{exchange['status']}\n{headers}\n\n{_indented(exchange['body'])}"
    return f"<pre>{escape(exchange['curl'])}</pre><pre>{escape(answer)}</pre>"


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
