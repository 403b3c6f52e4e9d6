"""Every option: name, type, default, meaning; read from SCIM_SERVER_… in the environment. Knows nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from email.utils import parseaddr
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX: Final = "SCIM_SERVER_"
_RATE: Final = re.compile(r"(\d{1,9})(?:/(\d{1,9}))?", re.ASCII)


class Settings(BaseSettings):
    """The server's options. Each is read from the environment variable SCIM_SERVER_ and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore")

    database_url: str = Field(
        default="sqlite:///scim-server.db", description="The database: sqlite:///… or postgresql+psycopg://…"
    )
    base_url: str = Field(default="", description="The URL that clients reach the server under, if a proxy changes it.")
    link_url: str = Field(
        default="http://127.0.0.1:8000",
        description="What links in mails begin with without a base URL; `serve` sets it to where it listens.",
    )
    max_body_bytes: int = Field(default=5 * 1024 * 1024, gt=0, description="The largest request body, in bytes.")
    page_default: int = Field(default=100, gt=0, description="Resources on a page when the client names no count.")
    page_most: int = Field(default=1000, gt=0, description="Resources on a page at most.")
    filter_length: int = Field(default=8192, gt=0, description="Characters in a filter at most.")
    # the upper bounds are what SQLite's own parser bears, so that no filter within them fails on either database
    filter_depth: int = Field(
        default=16, gt=0, le=20, description="Brackets inside brackets in a filter at most: 1 to 20."
    )
    filter_terms: int = Field(default=100, gt=0, le=150, description="Comparisons in a filter at most: 1 to 150.")
    schemas_folder: str = Field(
        default="", description="Custom extensions: a folder with User/*.json and Group/*.json."
    )
    cursor_seconds: int = Field(default=3600, gt=0, description="How long a cursor stays valid, in seconds.")
    bulk_operations: int = Field(default=1000, gt=0, description="Operations in a bulk request at most.")
    threads: int = Field(default=4, gt=0, description="Requests that one worker process handles at the same time.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="debug, info, warning or error."
    )

    invitation_days: int = Field(default=7, gt=0, le=365, description="Days that an invitation is good for: 1 to 365.")
    mail_url: str = Field(
        default="", description="The mail server: smtp://user:password@host:587, or smtps://… for TLS from the start."
    )
    mail_folder: str = Field(default="mail", description="Without a mail server: the folder that mail is written into.")
    mail_from: str = Field(
        default="scim-server@localhost", description="Whom mail comes from: an address, or Name <address>."
    )

    key_set_hosts: str = Field(
        default="login.microsoftonline.com",
        description="Hosts that key sets may be fetched from over https: host or host:port, with commas.",
    )
    key_set_certificates: str = Field(
        default="", description="A PEM file of authorities to trust for these hosts, besides the public ones."
    )

    access_tokens: Literal["jwt", "opaque"] = Field(
        default="jwt", description="Access tokens that OAuth clients get: jwt (RFC 9068) or opaque."
    )
    token_minutes: int = Field(default=60, ge=60, le=360, description="Minutes that they are good for: 60 to 360.")

    rate_limit: str = Field(
        default="500/2000",
        description="Requests a second of each connection, and after a slash how many at once; off for no limit.",
    )
    limit_storage: str = Field(
        default="memory://",
        description="Where requests are counted: memory:// by each worker, redis://host:6379 by all.",
    )
    trusted_proxies: str = Field(
        default="",
        description="Addresses and networks of proxies, by commas, whose X-Forwarded-… headers are believed.",
    )
    client_seconds: int = Field(
        default=30,
        gt=0,
        le=600,
        description="Seconds that a client may take to send a request's headers, or leave a connection idle.",
    )
    request_log_days: int = Field(
        default=30, ge=0, le=3650, description="Days that requests are kept in the request log; 0 for no log."
    )

    @field_validator("mail_url")
    @classmethod
    def _is_mail_url(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            known = parts.scheme in ("smtp", "smtps") and parts.hostname and parts.port != 0
        except ValueError:  # a port that is none
            known = False
        if value and not known:
            raise ValueError("must be smtp://host, smtps://host, or with user:password@ and :port")
        return value

    @field_validator("mail_from")
    @classmethod
    def _is_sender(cls, value: str) -> str:
        name, address = parseaddr(value)
        if not value.isprintable() or "@" not in address or (name and not value.rstrip().endswith(">")):
            raise ValueError("must be an e-mail address, or a name with the address in angle brackets")
        return value

    @field_validator("rate_limit")
    @classmethod
    def _is_rate(cls, value: str) -> str:
        _rate(value)
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        _networks(value)
        return value

    def rate(self) -> tuple[int, int] | None:
        """Requests of a connection a second and at once; None for no limit."""
        return _rate(self.rate_limit)

    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of trusted proxies."""
        return _networks(self.trusted_proxies)

    @field_validator("base_url", "link_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with https:// or http://")
        return value.rstrip("/")


def _rate(text: str) -> tuple[int, int] | None:
    """(a second, at once). Raises ValueError."""
    if text.strip().lower() == "off":
        return None
    found = _RATE.fullmatch(text.strip())
    second, burst = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not second or not burst or burst % second:
        raise ValueError("must be off, a number such as 500, or 500/2000: a multiple of it behind the slash")
    return second, burst


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Addresses are networks of one. Raises ValueError."""
    return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())


def misspelt(variables: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    """The names among `variables` that look like a setting's and are none, each with the setting it is closest to."""
    known = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    for name in variables:
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            yield name, next(iter(get_close_matches(name.upper(), known, n=1, cutoff=0.8)), None)
