"""Requests and answers: sends one to the target, keeps both, and shows them as a `curl` command. Judges nothing."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx

MEDIA_TYPE: Final = "application/scim+json"
PAUSES: Final = (1.0, 2.0, 4.0)  # seconds before a request is sent again that was one too many (429, 503)
LONGEST_PAUSE: Final = 30.0  # seconds, whatever Retry-After says
MOST_WAITING: Final = 120.0  # seconds of a run that are waited altogether
LARGEST: Final = 20_000_000  # bytes of an answer's body
SHOWN: Final = 100_000  # characters of a body that are kept for reports
_VARIABLE: Final = re.compile(r"\$[A-Z][A-Z0-9_]*")
_SECRET_HEADER: Final = re.compile(r"auth|key|token|secret|cookie|password|credential")
_PLAIN_HEADERS: Final = ("accept", "accept-language", "content-type", "prefer", "user-agent")
_SHORTEST: Final = 12  # characters of a secret that is looked for in answers; a shorter one could be any word


class Unreachable(Exception):
    """The target doesn't answer at all; the message says why."""


class Throttled(Unreachable):
    """The target answers, but only that it is asked too much, and goes on so."""


class Elsewhere(Exception):
    """The request would go to another host than the base URL's, which isn't sent the token."""


class Unsendable(Exception):
    """What an answer had in it can't stand in a request."""


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
        except (ValueError, RecursionError):
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
    deadline: float = 60.0  # seconds that an answer may take as a whole
    waited: float = 0.0  # seconds, in the whole run

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        raw: str | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> Exchange:
        """Send a request to `path` below the base URL and return the exchange.

        `raw` is sent as it stands instead of `body`; a header of None is left out. Raises Unreachable, Throttled,
        Elsewhere, Unsendable.
        """
        content = raw if raw is not None else "" if body is None else _json(body)
        sent: dict[str, str | None] = {"accept": MEDIA_TYPE, **self.headers}
        if content:
            sent["content-type"] = MEDIA_TYPE
        if self.token:
            sent["authorization"] = f"Bearer {self.token}"
        sent |= {name.lower(): value for name, value in (headers or {}).items()}
        kept = {name: str(value) for name, value in sent.items() if value is not None}
        url = self._url(path, query or {})
        self._must_be_here(url)
        exchange = self._once(method, url, kept, content)
        for pause in PAUSES:
            if exchange.status not in (429, 503) or not self._waits(_retry_after(exchange, pause)):
                break
            exchange = self._once(method, url, kept, content)
        if exchange.status == 429 or (exchange.status == 503 and exchange.header("retry-after") is not None):
            raise Throttled(f"{method} {exchange.url} is answered with {exchange.status} again and again")
        return exchange

    def _must_be_here(self, url: str) -> None:
        """Raises Elsewhere for a URL of another scheme, host or port; Unsendable for what is no URL."""
        try:
            asked, own = httpx.URL(url), httpx.URL(self.url)
        except (httpx.InvalidURL, ValueError) as error:
            raise Unsendable(self.hidden(f"{printable(url)[:200]!r} can't be asked for", _SHORTEST)) from error
        if (asked.scheme, asked.host, asked.port) != (own.scheme, own.host, own.port):
            raise Elsewhere(self.hidden(f"{url[:200]} is on another host, which isn't sent the token", _SHORTEST))

    def _waits(self, seconds: float) -> bool:
        """Wait so long, unless the run has waited too long already; whether that was done."""
        if self.waited + seconds > MOST_WAITING:
            return False
        self.waited += seconds
        self.wait(seconds)
        return True

    def _url(self, path: str, query: Mapping[str, Any]) -> str:
        base = path if path.startswith(("http://", "https://")) else f"{self.url}{path}"
        pairs = [f"{quote(name)}={quote(_text(value))}" for name, value in query.items() if value is not None]
        return base + ("?" + "&".join(pairs) if pairs else "")

    def _once(self, method: str, url: str, headers: dict[str, str], content: str) -> Exchange:
        begun = time.perf_counter()
        try:
            answer, text = self._answer(method, url, headers, content)
        except (httpx.LocalProtocolError, httpx.InvalidURL, UnicodeError) as error:
            said = f"{method} {printable(url)} can't be sent with what an answer had in it"
            raise Unsendable(self.hidden(said, _SHORTEST)) from error
        except httpx.HTTPError as error:
            raise Unreachable(self.hidden(f"{method} {url}: {error or type(error).__name__}", _SHORTEST)) from error
        return Exchange(
            method=method,
            url=self.hidden(printable(url), _SHORTEST),
            request_headers={name: self._in_header(name, value) for name, value in headers.items()},
            request_body=self.hidden(printable(content[:SHOWN]), _SHORTEST),
            status=answer.status_code,
            headers={name.lower(): self.hidden(value, _SHORTEST) for name, value in answer.headers.items()},
            text=self.hidden(text[: SHOWN * 20], _SHORTEST),
            seconds=time.perf_counter() - begun,
        )

    def _answer(self, method: str, url: str, headers: dict[str, str], content: str) -> tuple[httpx.Response, str]:
        """The answer and its text; a request that only reads is sent again where the server closed an idle connection.

        Raises Unreachable for an answer that doesn't end.
        """
        try:
            return self._streamed(method, url, headers, content)
        except (httpx.ReadError, httpx.RemoteProtocolError):
            if method != "GET" and not url.endswith("/.search"):
                raise
            return self._streamed(method, url, headers, content)

    def _streamed(self, method: str, url: str, headers: dict[str, str], content: str) -> tuple[httpx.Response, str]:
        end = time.monotonic() + self.deadline
        read = bytearray()
        whole = content.encode(errors="surrogatepass") or None
        with self.client.stream(method, url, headers=headers, content=whole) as answer:
            for part in answer.iter_bytes():
                read += part
                if len(read) > LARGEST or time.monotonic() > end:
                    most = f"{LARGEST} bytes" if len(read) > LARGEST else f"{self.deadline:g} seconds"
                    raise Unreachable(self.hidden(f"{method} {url}: the answer is longer than {most}", _SHORTEST))
        return answer, _decoded(bytes(read), answer.charset_encoding or "utf-8")

    def hidden(self, text: str, shortest: int = 1) -> str:
        """The text with a variable's name for each secret in it: `$TOKEN`, `$X_API_KEY` for that header."""
        account = urlsplit(self.url).netloc.rpartition("@")[0]
        text = text.replace(f"//{account}@", "//$ACCOUNT@") if account else text
        for secret, name in self._secrets():
            for form in {secret, quote(secret), quote(secret, safe="")}:
                text = text.replace(form, name) if len(secret) >= shortest else text
        return text

    def shown(self, exchange: Exchange) -> Exchange:
        """The exchange as reports have it: without a value that --header gave, whatever its name and length."""
        return replace(
            exchange,
            url=self.without_given(exchange.url),
            request_body=self.without_given(exchange.request_body),
            headers={name: self.without_given(value) for name, value in exchange.headers.items()},
            text=self.without_given(exchange.text),
        )

    def without_given(self, text: str) -> str:
        """The text with a variable's name for each value of `headers`, where it stands as a word of its own.

        Only for what is shown: an answer must be judged as it is. What any client sends (`accept`) isn't looked for.
        """
        for name, value in self.headers.items():
            if value and name not in _PLAIN_HEADERS:
                # a variable's name has no backslash, which alone would mean something here
                text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", _variable(name), text)
        return text

    def _in_header(self, name: str, value: str) -> str:
        if value and self.headers.get(name) == value and not _SECRET_HEADER.search(name):
            return _variable(name)
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


def _json(body: Any) -> str:
    """The body as JSON; with escapes where a text of it, half of a surrogate pair, has no other form."""
    text = json.dumps(body, ensure_ascii=False)
    return text if printable(text) == text else json.dumps(body)


def printable(text: str) -> str:
    """The text with an escape for each half of a surrogate pair, which no file and no terminal takes."""
    return text.encode(errors="backslashreplace").decode()


def _decoded(content: bytes, charset: str) -> str:
    try:
        return content.decode(charset, "replace")
    except (LookupError, ValueError):  # a charset that isn't one
        return content.decode(errors="replace")


def _retry_after(exchange: Exchange, otherwise: float) -> float:
    """The seconds that the answer asks to be left alone, from a number or a date (RFC 7231 §7.1.3)."""
    said = (exchange.header("retry-after") or "").strip()
    if said.isascii() and said.isdecimal():
        return min(float(said[:9]), LONGEST_PAUSE)
    try:
        until = parsedate_to_datetime(said)
    except ValueError:
        return otherwise
    seconds = (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, otherwise), LONGEST_PAUSE)
