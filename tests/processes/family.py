"""A command with relatives that cling to life: a plain child, one in its own session, a double-forked daemon.

`family.py stay LOCK` waits; `family.py leave LOCK N` ends with N and leaves the others; `family.py storm LOCK` forks
without end. All ignore every signal that can be ignored. The file LOCK is locked as long as any of them lives, and
each writes a byte to it.
"""

import fcntl
import os
import signal
import sys
import time


def cling(lock: int) -> None:
    os.write(lock, b".")
    while True:
        signal.pause()


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    lock = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    fcntl.flock(lock, fcntl.LOCK_EX)
    if sys.argv[1] == "storm":
        storm(lock)
    if os.fork() == 0:
        cling(lock)
    if os.fork() == 0:
        os.setsid()
        cling(lock)
    middle = os.fork()
    if middle == 0:
        os.setsid()
        if os.fork() == 0:
            cling(lock)
        os._exit(0)
    os.waitpid(middle, 0)
    if sys.argv[1] == "leave":
        os._exit(int(sys.argv[3]))
    cling(lock)


def storm(lock: int) -> None:
    """Each generation forks the next one into a session of its own and ends: never still, 20 lines side by side."""
    for _ in range(20):
        if os.fork() == 0:
            break
    else:
        cling(lock)
    while True:
        if os.fork() != 0:
            os._exit(0)
        os.setsid()
        os.write(lock, b".")
        time.sleep(0.002)


if __name__ == "__main__":
    main()
