"""open_directory: the directory as the settings say, with the real clock and real ids. Knows no edge.

Apart from app.py, so that a command doesn't load what only a server needs.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from uuid_utils import uuid7

from scim_server.directory import Directory
from scim_server.keys import KeySets
from scim_server.mail import post_of
from scim_server.scim.extensions import InvalidSchema, extended
from scim_server.scim.schema import CORE
from scim_server.settings import Settings
from scim_server.storage.db import open_engine


def open_directory(settings: Settings) -> Directory:
    """The directory on the database that the settings name, with the real clock and real ids."""
    types = extended(CORE, _schema_documents(Path(settings.schemas_folder))) if settings.schemas_folder else CORE
    engine = open_engine(settings.database_url, pool_size=2 * settings.threads)
    return Directory(
        engine=engine,
        now=lambda: datetime.now(UTC),
        new_id=lambda: str(uuid7()),
        types=types,
        lifetime=timedelta(days=settings.invitation_days),
        site=settings.base_url or settings.link_url,
        post=post_of(settings.mail_url, settings.mail_folder, settings.mail_from),
        key_sets=KeySets(settings.key_set_hosts.split(","), settings.key_set_certificates),
    )


def _schema_documents(folder: Path) -> dict[str, list[tuple[str, Any]]]:
    """The documents in `folder` by the resource type they extend. Raises InvalidSchema."""
    found: dict[str, list[tuple[str, Any]]] = {}
    for path in sorted(folder.glob("*/*.json")):
        try:
            document = orjson.loads(path.read_bytes())
        except orjson.JSONDecodeError as error:
            raise InvalidSchema(f"{path}: not valid JSON: {error}.") from error
        found.setdefault(path.parent.name, []).append((str(path), document))
    if not found:
        raise InvalidSchema(f"There are no schema documents in {folder}/User or {folder}/Group.")
    return found
