"""/healthz: whether this worker is up and reaches its database. Knows nothing of workspaces."""

from __future__ import annotations

from flask import Blueprint, Flask
from flask import Response as FlaskResponse
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from scim_server.directory import Directory
from scim_server.storage.db import Busy, reading


def mount(app: Flask, directory: Directory) -> None:
    """Serve the pages for operators."""
    blueprint = Blueprint("ops", __name__)

    @blueprint.get("/healthz")
    def healthz() -> FlaskResponse:
        try:
            with reading(directory.engine) as db:
                db.execute(text("SELECT 1"))
        except (SQLAlchemyError, Busy):
            return FlaskResponse("The database doesn't answer.\n", status=503, mimetype="text/plain")
        return FlaskResponse("ok\n", mimetype="text/plain")

    app.register_blueprint(blueprint)
