"""A limit to the time that a regular expression may take: there are some that would take for ever."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TookTooLong(Exception):
    """The work was cut off."""


@contextmanager
def at_most(cpu_s: float) -> Iterator[None]:
    """Raise TookTooLong in the body once it has computed for so long. Python's `re` looks for signals while it
    searches; the timer runs on this process's own time, so that a busy machine cuts nothing off. Outside the main
    thread, where no signal arrives, there is no limit."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    armed = True

    def ring(_number: int, _frame: FrameType | None) -> None:
        if armed:
            raise TookTooLong

    before = signal.signal(signal.SIGVTALRM, ring)
    try:
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, cpu_s)
            yield
        finally:
            # The signal of a timer that ran out just now may still come; it must not cut off the tidying up.
            armed = False
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
