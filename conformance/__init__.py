"""A conformance suite for SCIM servers: it sees of them what a client sees, and knows no server's code."""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"  # the project's
