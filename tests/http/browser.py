"""A browser without scripts: it keeps cookies, reads forms off pages and sends them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

ACCOUNT = "/console/account"  # a page that everybody who is signed in may see


class _Forms(HTMLParser):
    """Each form's action and the values that its fields have already."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append((values.get("action", ""), {}))
        elif tag == "input" and ("checked" in values or values.get("type") not in ("checkbox", "radio")):
            self.found[-1][1][values["name"]] = values.get("value", "")
        elif tag in ("select", "datalist"):
            self.select = values.get("name", "")
        elif tag == "option" and self.select and ("selected" in values or self.select not in self.found[-1][1]):
            self.found[-1][1][self.select] = values.get("value", "")


def forms_of(page: str) -> list[tuple[str, dict[str, str]]]:
    """(action, what its fields hold) of each form on a page."""
    parser = _Forms()
    parser.feed(page)
    return parser.found


@dataclass
class Browser:
    """Someone's browser, from an address of its own, so that failures of one test count for no other."""

    app: Flask
    site: str = "http://localhost"
    address: str = field(default_factory=lambda: f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1")

    def __post_init__(self) -> None:
        self.client: FlaskClient = self.app.test_client()

    def open(self, method: str, path: str, data: Mapping[str, Any] | None = None, **headers: str) -> TestResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.open(
            path,
            method=method,
            data=data,
            base_url=self.site,
            headers=named,
            environ_base={"REMOTE_ADDR": self.address},
            buffered=True,
        )

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.open("GET", path, None, **headers)

    def send(self, page: str, action: str = "", /, **fields: str) -> TestResponse:
        """Open a page, fill in the form with that action ("" is the page's own address) and send it."""
        form = self.form(page, action)
        return self.open("POST", action or page, {**form, **fields})

    def form(self, page: str, action: str = "") -> dict[str, str]:
        """What the last form with that action has in its fields: the bar's stand before the page's own."""
        return [fields for found, fields in forms_of(self.get(page).text) if found == action][-1]

    def sign_in(self, workspace: str, email: str, password: str, **fields: str) -> TestResponse:
        return self.send("/signin", "/signin", workspace=workspace, email=email, password=password, **fields)

    @property
    def is_signed_in(self) -> bool:
        answer = self.get(ACCOUNT)
        assert answer.status_code in (200, 303)
        return answer.status_code == 200

    @property
    def cookie(self) -> Any:
        """The one cookie."""
        (cookie,) = (self.client._cookies or {}).values()
        return cookie
