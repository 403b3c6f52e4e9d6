"""What `serve` says when it starts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support import serving


@pytest.mark.parametrize(
    ("url", "warned"), [("http://scim.example.com", True), ("https://scim.example.com", False), ("", False)]
)
def test_a_plain_url_is_warned_of(new_database: Callable[[str], str], url: str, warned: bool) -> None:
    with serving(new_database("sqlite"), environment={"SCIM_SERVER_BASE_URL": url}) as served:
        pass
    said = "".join(served.lines)
    assert ("is no https URL" in said) is warned
    assert "SCIM base URL: " in said
    assert "Started worker-1" in said
    assert "Python threads" not in said
