"""Errands: work that is done after the answer, so that its time tells whoever asks nothing. Knows no pages."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from multiprocessing.util import Finalize
from queue import Full, Queue
from threading import Lock, Thread
from typing import Final, TypeAlias

import structlog

from scim_server.storage.db import Busy

MOST_WAITING: Final = 100
THREADS: Final = 4
"""A mail server that is slow for one must not hold up the others, nor tell them by it that there was one."""
SECONDS_TO_END: Final = 15
"""How long the end of the process waits for what was promised: a mail server has some seconds for each step."""
Work: TypeAlias = Callable[[], object]
log = structlog.get_logger(__name__)


class Errands:
    """Work that waits, and the threads that do it, which begin with the first errand of this process.

    Where too much waits, or the end has come, an errand is dropped and the log says so: whoever asked mustn't learn it.
    """

    def __init__(self) -> None:
        self._waiting: Queue[Work | None] = Queue(MOST_WAITING)
        self._threads: list[Thread] = []
        self._lock, self._process, self._ended = Lock(), 0, False

    def run(self, work: Work) -> None:
        """Have `work` done soon."""
        self._start()
        try:
            if self._ended:
                raise Full
            self._waiting.put_nowait(work)
        except Full:
            log.warning("errand dropped", reason="the end has come" if self._ended else "too many wait")

    def end(self) -> None:
        """Take no more, and do what waits, but not for ever."""
        self._ended = True
        if self._process != os.getpid():
            return
        with self._waiting.all_tasks_done:
            self._waiting.all_tasks_done.wait_for(lambda: not self._waiting.unfinished_tasks, SECONDS_TO_END)
            dropped = self._waiting.unfinished_tasks
        if dropped:
            log.warning("errands dropped at the end", count=dropped)
            return
        for _ in self._threads:
            self._waiting.put_nowait(None)
        for thread in self._threads:
            thread.join()

    def _start(self) -> None:
        """Threads of this process's own, if there are none."""
        with self._lock:
            if self._process == os.getpid():
                return
            self._process = os.getpid()
            self._waiting = Queue(MOST_WAITING)  # what waited at a fork is the parent's to do
            # how a process ends: atexit, or in a child of multiprocessing its own way
            Finalize(self, self.end, exitpriority=10)
            atexit.register(self.end)
            self._threads = [Thread(target=self._work, name="errands", daemon=True) for _ in range(THREADS)]
            for thread in self._threads:
                thread.start()

    def _work(self) -> None:
        while (work := self._waiting.get()) is not None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - nobody waits for the outcome, and the next errand must run
                log.warning("errand failed", reason=str(error) if isinstance(error, Busy) else type(error).__name__)
            finally:
                self._waiting.task_done()
