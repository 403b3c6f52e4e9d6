"""/console: the pages by which people look after a workspace. Each module has those of one thing."""

from __future__ import annotations

from flask import Flask

from scim_server.http.console import (  # noqa: F401 - importing them registers their pages
    account,
    activity,
    contact_acts,
    contact_forms,
    contact_invitations,
    contacts,
    credentials,
    licences,
    profile,
    provisioning,
    requestlog,
    seat_lists,
    sign_in_links,
    users,
    workspace,
)
from scim_server.http.console.frame import around as around  # app.py wires it
from scim_server.http.console.frame import console


def mount(app: Flask) -> None:
    """Serve the console, after `pages` and `signin`."""
    app.register_blueprint(console)
