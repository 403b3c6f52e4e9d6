"""The headers that keep an answer from being misread, kept or passed on by a browser. Knows no answer's content."""

from __future__ import annotations

from typing import Final

from flask import Flask, Response, request

# Answers hold personal data and secrets: nobody between, and no browser, keeps them (RFC 6749 §5.1, RFC 9111 §5.2.2.5).
ALWAYS: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
)
# Two years; a browser believes it over TLS alone (RFC 6797 §7.2).
ONLY_TLS: Final = ("Strict-Transport-Security", "max-age=63072000")
OVER_TLS: Final = (*ALWAYS, ONLY_TLS)


def headers_of(scheme: str, base_url: str) -> tuple[tuple[str, str], ...]:
    """Those for an answer over `http` or `https`, and that of the URL that clients reach the server under."""
    return OVER_TLS if scheme == "https" or base_url.startswith("https:") else ALWAYS


def mount(app: Flask, base_url: str) -> None:
    """Set them on Flask's answers, where a page hasn't set its own."""

    def complete(response: Response) -> Response:
        for name, value in headers_of(request.scheme, base_url):
            response.headers.setdefault(name, value)
        return response

    app.after_request(complete)
