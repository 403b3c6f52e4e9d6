"""How many requests a connection may make, and how often someone may fail to prove who they are.

Counted by the library `limits`, which Flask-Limiter is built on: SCIM is answered before Flask. Counts are this
worker's own (memory://), or shared by all workers in Redis. Knows neither tokens nor what an answer looks like.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final, Protocol

import structlog
from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.errors import ConfigurationError, StorageError
from limits.storage import Storage, storage_from_string
from limits.strategies import FixedWindowRateLimiter

log = structlog.get_logger(__name__)


class Account(Protocol):
    """What is counted against: the connection of a call."""

    @property
    def id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Failures:
    """How often one address, and one name tried from anywhere, may fail before it has to wait."""

    by_address: RateLimitItem
    by_name: RateLimitItem


# Tokens and secrets can't be guessed: a limit spares the work. Passwords can.
FAILURES: Final[Mapping[str, Failures]] = {
    "token": Failures(RateLimitItemPerMinute(600), RateLimitItemPerMinute(600)),
    "client": Failures(RateLimitItemPerMinute(120), RateLimitItemPerMinute(60)),
    "sign-in": Failures(RateLimitItemPerMinute(100, 5), RateLimitItemPerMinute(10, 5)),
    # each that is asked for counts: it may be a mail
    "sign-in link": Failures(RateLimitItemPerHour(50), RateLimitItemPerHour(5)),
}


def open_storage(url: str) -> Storage:
    """Where counts are kept: memory:// or redis://host:6379. Raises ValueError."""
    try:
        storage = storage_from_string(url, wrap_exceptions=True)
    except ConfigurationError as error:  # no such scheme, or its driver isn't installed
        raise ValueError(f"Counts of requests can't be kept there: {error}.") from error
    if not isinstance(storage, Storage):
        raise ValueError("Counts of requests can't be kept there: its driver is for asyncio.")
    return storage


class _Counts:
    """Windows of fixed length, each of which begins with its first count."""

    def __init__(self, storage: Storage) -> None:
        self._limiter = FixedWindowRateLimiter(storage)

    def count(self, item: RateLimitItem, *who: str) -> bool:
        """Count one; False where that is beyond the limit. A storage that is away limits nobody."""
        try:
            return self._limiter.hit(item, *who)
        except StorageError as error:
            log.warning("limits aren't kept", reason=type(error.storage_error).__name__)
            return True

    def is_within(self, item: RateLimitItem, *who: str) -> bool:
        """Whether one more would be within the limit; counts nothing."""
        try:
            return self._limiter.test(item, *who)
        except StorageError as error:
            log.warning("limits aren't kept", reason=type(error.storage_error).__name__)
            return True

    def wait(self, item: RateLimitItem, *who: str) -> int:
        """Whole seconds until the window ends, at least one."""
        try:
            ends = self._limiter.get_window_stats(item, *who).reset_time
        except StorageError:
            return 1
        return max(1, math.ceil(ends - time.time()))


class Rate:
    """The requests of each connection: `burst` at once, and `a_second` in the long run."""

    def __init__(self, rate: tuple[int, int] | None, storage: Storage) -> None:
        """`rate` is (a_second, burst), burst a multiple of a_second; None limits nobody."""
        self._item = None if rate is None else RateLimitItemPerSecond(rate[1], rate[1] // rate[0])
        self._counts = _Counts(storage)

    def wait(self, account: Account) -> int | None:
        """Count a request of the connection; the seconds to wait if that is one too many, else None."""
        if self._item is None or self._counts.count(self._item, account.id):
            return None
        return self._counts.wait(self._item, account.id)


class Throttle:
    """Failures to prove who one is, by address and by the name that was tried: a client's id, an e-mail, or none.

    A name is compared as it is: where several spellings find the same, the caller gives the one that is looked up.
    """

    def __init__(self, storage: Storage) -> None:
        self._counts = _Counts(storage)

    def check(self, kind: str, address: str, who: str | None = None) -> int | None:
        """The seconds that this address, or anyone with this name, has to wait after too many failures; else None.

        `kind` is a key of FAILURES. Ask it before the work for what can be guessed (a password); for tokens and client
        secrets ask only once the look-up has failed, so that nobody suffers for others behind the same address.
        """
        for item, key in _keys(kind, address, who):
            if not self._counts.is_within(item, *key):
                return self._counts.wait(item, *key)
        return None

    def tried(self, kind: str, address: str, who: str | None = None) -> int | None:
        """Count a try, whatever comes of it; the seconds to wait if it is one too many, else None."""
        waits = [
            None if self._counts.count(item, *key) else self._counts.wait(item, *key)
            for item, key in _keys(kind, address, who)
        ]
        return max((each for each in waits if each is not None), default=None)

    def failed(self, kind: str, address: str, who: str | None = None) -> None:
        """Count a failure."""
        for item, key in _keys(kind, address, who):
            self._counts.count(item, *key)


def _keys(kind: str, address: str, who: str | None) -> list[tuple[RateLimitItem, tuple[str, str, str]]]:
    row = FAILURES[kind]
    named = [] if not who else [(row.by_name, (kind, "name", _short(who)))]
    return [(row.by_address, (kind, "address", _place(address))), *named]


def _short(name: str) -> str:
    """Of one length, whatever was sent."""
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()


def _place(address: str) -> str:
    """What one subscriber has: an IPv4 address, or the /64 of an IPv6 address, within which anyone has all of them."""
    try:
        found = ip_address(address)
    except ValueError:  # none, or a socket's file
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or IPv6Network((int(found), 64), strict=False))
