"""Notices that the terminal is gone, also where nobody sends a SIGHUP. Knows nothing of what runs in it.

It waits in a thread of its own: once the terminal is gone, writing to it can block an event loop for ever.
"""

import os
import select
import threading
import time
from collections.abc import Callable

_GRACE_S = 5.0


def watch(fileno: int, gone: Callable[[], None]) -> None:
    """Call `gone` from another thread when the terminal on `fileno` has hung up.

    A process that is still there five seconds later could not end by itself; it is ended.
    """
    threading.Thread(target=_wait, args=(fileno, gone), name="terminal-watch", daemon=True).start()


def _wait(fileno: int, gone: Callable[[], None]) -> None:
    poll = select.poll()
    # Hang-up and errors are always reported; input is left to whoever reads it.
    poll.register(fileno, 0)
    poll.poll()
    gone()
    time.sleep(_GRACE_S)
    os._exit(129)
