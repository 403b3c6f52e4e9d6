"""Requests and answers: sends one to the target, keeps both, and shows them as a `curl` command. Judges nothing."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx

MEDIA_TYPE: Final = "application/scim+json"
MOST_WAITS: Final = 5
SHOWN: Final = 100_000  # characters of a body that are kept for reports
_VARIABLE: Final = re.compile(r"\$[A-Z][A-Z0-9_]*")
_SECRET_HEADER: Final = re.compile(r"auth|key|token|secret|cookie|password|credential")
_SHORTEST: Final = 12  # characters of a secret that is looked for in answers; a shorter one could be any word


class Unreachable(Exception):
    """The target doesn't answer at all; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer. `body` is the answer's JSON, or None where it has none; secrets aren't kept."""

    method: str
    url: str
    request_headers: Mapping[str, str]
    request_body: str
    status: int
    headers: Mapping[str, str]
    text: str
    seconds: float

    @property
    def body(self) -> Any:
        try:
            return json.loads(self.text)
        except ValueError:
            return None

    def header(self, name: str) -> str | None:
        """The answer's header of that name, in any case."""
        return self.headers.get(name.lower())

    def curl(self) -> str:
        """The request as a command that can be pasted, with variables such as TOKEN for what is secret."""
        parts = ["curl -sS -i -X", self.method]
        for name, value in self.request_headers.items():
            parts += ["-H", _for_shell(f"{name}: {value}")]
        if self.request_body:
            parts += ["-d", shlex.quote(self.request_body)]
        return " ".join([*parts, _for_shell(self.url)])


def _for_shell(text: str) -> str:
    """The text as one word of a command line; a variable in it stays one."""
    if _VARIABLE.search(text):
        return '"' + re.sub(r'(["\\`])', r"\\\1", text) + '"'
    return shlex.quote(text)


@dataclass(slots=True)
class Target:
    """The server that is looked at. `wait` is called with the seconds that it asks to be left alone (429, 503)."""

    client: httpx.Client
    url: str  # the SCIM base URL, without a slash at the end
    token: str | None
    wait: Callable[[float], None] = time.sleep
    headers: Mapping[str, str] = field(default_factory=dict)  # what every request carries besides, by lower-case name

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        raw: str | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> Exchange:
        """Send a request to `path` below the base URL and return the exchange. Raises Unreachable.

        `raw` is sent as it stands instead of `body`; a header of None is left out.
        """
        content = raw if raw is not None else "" if body is None else json.dumps(body, ensure_ascii=False)
        sent: dict[str, str | None] = {"accept": MEDIA_TYPE, **self.headers}
        if content:
            sent["content-type"] = MEDIA_TYPE
        if self.token:
            sent["authorization"] = f"Bearer {self.token}"
        sent |= {name.lower(): value for name, value in (headers or {}).items()}
        kept = {name: value for name, value in sent.items() if value is not None}
        url = self._url(path, query or {})
        for _ in range(MOST_WAITS):
            exchange = self._once(method, url, kept, content)
            after = exchange.header("retry-after") if exchange.status in (429, 503) else None
            if after is None or not after.isdecimal():
                break
            self.wait(min(float(after), 30))
        return exchange

    def _url(self, path: str, query: Mapping[str, Any]) -> str:
        base = path if path.startswith(("http://", "https://")) else f"{self.url}{path}"
        pairs = [f"{quote(name)}={quote(_text(value))}" for name, value in query.items() if value is not None]
        return base + ("?" + "&".join(pairs) if pairs else "")

    def _once(self, method: str, url: str, headers: dict[str, str], content: str) -> Exchange:
        begun = time.perf_counter()
        try:
            answer = self._answer(method, url, headers, content)
        except httpx.HTTPError as error:
            raise Unreachable(self.hidden(f"{method} {url}: {error or type(error).__name__}", _SHORTEST)) from error
        return Exchange(
            method=method,
            url=self.hidden(url, _SHORTEST),
            request_headers={name: self._in_header(name, value) for name, value in headers.items()},
            request_body=self.hidden(content[:SHOWN], _SHORTEST),
            status=answer.status_code,
            headers={name.lower(): self.hidden(value, _SHORTEST) for name, value in answer.headers.items()},
            text=self.hidden(answer.text[: SHOWN * 20], _SHORTEST),
            seconds=time.perf_counter() - begun,
        )

    def _answer(self, method: str, url: str, headers: dict[str, str], content: str) -> httpx.Response:
        """The answer; a request that only reads is sent again where the server closed an idle connection under it."""
        try:
            return self.client.request(method, url, headers=headers, content=content.encode() or None)
        except (httpx.ReadError, httpx.RemoteProtocolError):
            if method != "GET" and not url.endswith("/.search"):
                raise
            return self.client.request(method, url, headers=headers, content=content.encode() or None)

    def hidden(self, text: str, shortest: int = 1) -> str:
        """The text with a variable's name for each secret in it: `$TOKEN`, `$X_API_KEY` for that header."""
        account = urlsplit(self.url).netloc.rpartition("@")[0]
        text = text.replace(f"//{account}@", "//$ACCOUNT@") if account else text
        for secret, name in self._secrets():
            for form in {secret, quote(secret), quote(secret, safe="")}:
                text = text.replace(form, name) if len(secret) >= shortest else text
        return text

    def _in_header(self, name: str, value: str) -> str:
        return self.hidden(value) if _SECRET_HEADER.search(name) else value

    def _secrets(self) -> Iterator[tuple[str, str]]:
        if self.token:
            yield self.token, "$TOKEN"
        for name, value in self.headers.items():
            if value and _SECRET_HEADER.search(name):
                yield value, _variable(name)
                yield value.split()[-1], _variable(name)


def _variable(name: str) -> str:
    return "$" + re.sub(r"[^A-Z0-9]", "_", name.upper())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
