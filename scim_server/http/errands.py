"""Errands: work that is done after the answer, so that its time tells whoever asks nothing. Knows no pages."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Final

import structlog

from scim_server.storage.db import Busy

MOST_WAITING: Final = 100
log = structlog.get_logger(__name__)


class Errands:
    """Work that is done after the answer, one by one, in a thread of this process's. The end of the process waits."""

    def __init__(self) -> None:
        self._runner = ThreadPoolExecutor(1, thread_name_prefix="errands")  # its thread begins with the first errand
        self._free = BoundedSemaphore(MOST_WAITING)

    def run(self, work: Callable[[], object]) -> None:
        """Have `work` done soon. Raises Busy where too much waits."""
        if not self._free.acquire(blocking=False):
            raise Busy("Too many mails wait")
        self._runner.submit(self._done, work)

    def end(self) -> None:
        """Do what waits, and take no more."""
        self._runner.shutdown()

    def _done(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - nobody waits for the outcome, and the next errand must run
            log.warning("errand failed", reason=str(error) if isinstance(error, Busy) else type(error).__name__)
        finally:
            self._free.release()
