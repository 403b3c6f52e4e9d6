"""The limit to measure against: a Flask view that returns a constant kilobyte, under the same server."""

from __future__ import annotations

from flask import Flask, Response

BODY = b'{"constant":"' + b"x" * 1009 + b'"}'


def create_app() -> Flask:
    """An application with one view and a health check."""
    app = Flask(__name__, static_folder=None)
    app.add_url_rule("/constant", "constant", lambda: Response(BODY, content_type="application/scim+json"))
    app.add_url_rule("/healthz", "healthz", lambda: Response(b"ok\n", mimetype="text/plain"))
    return app
