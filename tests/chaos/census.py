"""Who belongs to a program under test: everything seen below it, and whatever has its state folder open or named."""

import time
from collections.abc import Callable
from pathlib import Path

import psutil


class Failure(Exception):
    """What went wrong in a round, in words."""


class Census:
    """The processes of one program run. `look` often: who was below once stays in the book wherever it hangs later."""

    def __init__(self, pid: int, folder: Path) -> None:
        self.top = psutil.Process(pid)
        self._folder = str(folder)
        self._seen: set[psutil.Process] = {self.top}

    def look(self) -> list[psutil.Process]:
        """The living tree, in the order of process numbers."""
        try:
            below = [self.top, *self.top.children(recursive=True)]
        except psutil.NoSuchProcess:
            below = []
        self._seen.update(below)
        return sorted(_living(set(below)), key=lambda process: process.pid)

    def left(self) -> list[psutil.Process]:
        """Everybody who still lives: of those seen, and of those who work in the state folder."""
        strangers = {process for process in psutil.process_iter() if self._works_in_folder(process)}
        return sorted(_living(self._seen | strangers), key=lambda process: process.pid)

    def _works_in_folder(self, process: psutil.Process) -> bool:
        try:
            return any(self._folder in text for text in (*process.cmdline(), process.cwd()))
        except psutil.Error:
            return False


def describe(process: psutil.Process) -> str:
    """A process in a line: number and what it runs."""
    try:
        words = [word.rpartition("/")[2] if word.startswith("/") else word for word in process.cmdline()]
        return f"{process.pid} {' '.join(' '.join(words).split())[:90]}"
    except psutil.Error:
        return str(process.pid)


def wait(condition: Callable[[], bool], timeout: float, otherwise: Callable[[], str]) -> None:
    """Until `condition` holds; after `timeout` seconds a Failure with the words of `otherwise`."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(otherwise())
        time.sleep(0.02)


def _living(processes: set[psutil.Process]) -> set[psutil.Process]:
    alive = set()
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                alive.add(process)
        except psutil.Error:
            continue
    return alive
