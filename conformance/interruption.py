"""Ctrl-C and SIGTERM, put off until a request is answered and what it made is noted. Knows no case and no server."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def put_off() -> Iterator[Callable[[], None]]:
    """While it lasts, a first signal only has the function that this gives raise KeyboardInterrupt when next called.

    A second signal raises it at once, for who won't wait. Outside the main thread, which no signal reaches, the
    function never raises.
    """
    asked = threading.Event()

    def note(_: int, __: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    def stop() -> None:
        if asked.is_set():
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {each: signal.signal(each, note) for each in SIGNALS}
    try:
        yield stop
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
