"""What proxies say of the client they speak for, believed only of those that are trusted. Knows nothing else.

X-Forwarded-For, -Proto and -Host of anyone else count for nothing: whoever sends a request can write them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Network: TypeAlias = IPv4Network | IPv6Network


def behind(app: WSGIApplication, trusted: Sequence[Network]) -> WSGIApplication:
    """The application as the clients of trusted proxies see it: their address, their scheme and host."""
    if not trusted:
        return app
    is_trusted = _judge(trusted)

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if is_trusted(environ.get("REMOTE_ADDR", "")):
            _believe(environ, is_trusted)
        return app(environ, start_response)

    return serve


def _judge(trusted: Sequence[Network]) -> Callable[[str], bool]:
    @lru_cache(maxsize=4096)
    def is_trusted(text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in trusted)

    return is_trusted


def _believe(environ: WSGIEnvironment, is_trusted: Callable[[str], bool]) -> None:
    client = _client(_listed(environ, "HTTP_X_FORWARDED_FOR"), is_trusted)
    if client is not None:
        environ["REMOTE_ADDR"] = client
    # the nearest proxy's own word is the last; what stands before it came with the request
    schemes, hosts = (_listed(environ, f"HTTP_X_FORWARDED_{name}")[-1:] for name in ("PROTO", "HOST"))
    if schemes and schemes[0].lower() in ("http", "https"):
        environ["wsgi.url_scheme"] = schemes[0].lower()
    if hosts:
        environ["HTTP_HOST"] = hosts[0]


def _listed(environ: WSGIEnvironment, name: str) -> list[str]:
    return [each.strip() for each in environ.get(name, "").split(",") if each.strip()]


def _client(chain: Sequence[str], is_trusted: Callable[[str], bool]) -> str | None:
    """The nearest address that is no proxy of ours: what stands further left, that one may have made up."""
    found = None
    for text in reversed(chain):
        address = _address(text)
        if address is None:
            return found
        found = str(address)
        if not is_trusted(found):
            return found
    return found


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address, also one with a port: 192.0.2.1:80, [2001:db8::1]:80. IPv4 in IPv6 is the IPv4 address."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
