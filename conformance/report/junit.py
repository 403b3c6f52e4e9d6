"""A run as JUnit XML, which CI servers show: a suite for each section, a test for each case."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from xml.etree import ElementTree

from conformance.report.json_report import Document

# outcome → the element that says so; a case without one has passed
_ELEMENTS: Final = {
    "fail": "failure",
    "broken": "error",
    "setup-failed": "error",
    "unsupported": "skipped",
    "blocked": "skipped",
}
_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(run: Document) -> str:
    """The XML. A warning is a test that passed and says so in its output."""
    sections: dict[str, list[Mapping[str, Any]]] = {}
    for case in run["cases"]:
        sections.setdefault(case["section"], []).append(case)
    root = ElementTree.Element("testsuites", {"name": "scim-conformance", **_counts(run["cases"])})
    for section, cases in sections.items():
        suite = ElementTree.SubElement(root, "testsuite", {"name": section, "timestamp": run["date"], **_counts(cases)})
        for case in cases:
            _test(suite, case)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _counts(cases: list[Mapping[str, Any]]) -> dict[str, str]:
    kinds = [_ELEMENTS.get(case["outcome"]) for case in cases]
    counted = {"failures": kinds.count("failure"), "errors": kinds.count("error"), "skipped": kinds.count("skipped")}
    seconds = sum(case["seconds"] for case in cases)
    return {"tests": str(len(cases)), **{name: str(count) for name, count in counted.items()}, "time": f"{seconds:.3f}"}


def _test(suite: ElementTree.Element, case: Mapping[str, Any]) -> None:
    name = case["id"].rpartition("/")[2]
    test = ElementTree.SubElement(
        suite, "testcase", classname=case["section"], name=name, time=f"{case['seconds']:.3f}"
    )
    rfc = "".join(f"{row['text']} {row['link']}\n" for row in case.get("rfc", ()))
    said = _clean(f"{case['level']}: {case['requirement']}\n{rfc}{case['message']}\n{_exchanges(case)}".rstrip())
    element = _ELEMENTS.get(case["outcome"])
    if element:
        told = ElementTree.SubElement(test, element, message=_clean(case["message"]), type=case["outcome"])
        told.text = None if element == "skipped" else said
    elif case["outcome"] != "pass":
        ElementTree.SubElement(test, "system-out").text = f"{case['outcome']}: {said}"


def _exchanges(case: Mapping[str, Any]) -> str:
    return "\n\n".join(f"{each['curl']}\n{each['status']}\n{each['body']}" for each in case.get("exchanges", ()))


def _clean(text: str) -> str:
    """The text without the characters that XML can't hold."""
    return _NO_XML.sub("\ufffd", text)
