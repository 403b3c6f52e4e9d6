"""Whether a host is the machine itself: what is sent there can be read by nobody on the way. Knows nothing of ours."""

from __future__ import annotations

from ipaddress import ip_address


def is_loopback(host: str | None) -> bool:
    """Whether a name or an address, as a URL has it without brackets, leads to the machine itself."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:  # a name
        return False
