"""Every option: name, type, default, meaning; read from SCIM_SERVER_… in the environment. Knows nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from email.utils import parseaddr
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX: Final = "SCIM_SERVER_"


class Settings(BaseSettings):
    """The server's options. Each is read from the environment variable SCIM_SERVER_ and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore")

    database_url: str = Field(
        default="sqlite:///scim-server.db", description="The database: sqlite:///… or postgresql+psycopg://…"
    )
    base_url: str = Field(default="", description="The URL that clients reach the server under, if a proxy changes it.")
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

    @field_validator("base_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with https:// or http://")
        return value.rstrip("/")


def misspelt(variables: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    """The names among `variables` that look like a setting's and are none, each with the setting it is closest to."""
    known = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    for name in variables:
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            yield name, next(iter(get_close_matches(name.upper(), known, n=1, cutoff=0.8)), None)
