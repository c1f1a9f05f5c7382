"""A real terminal for tests: a command in a pty, its screen emulated by pyte, every byte of it kept."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

import pyte


class Terminal:
    """`argv` in a terminal of `cols` x `rows`. A context manager that ends the process."""

    def __init__(
        self, argv: Sequence[str], *, cols: int = 120, rows: int = 40, env: Mapping[str, str] | None = None
    ) -> None:
        self.raw = bytearray()
        self.last_output = 0.0
        self._screen = pyte.Screen(cols, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._changed = threading.Condition()
        self._hung_up = threading.Event()
        self._master, slave = pty.openpty()
        self._set_size(cols, rows)
        self.process = subprocess.Popen(
            list(argv),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(env or {})},
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def text(self) -> str:
        """What is on the screen now, one line per row."""
        with self._changed:
            return self._shown()

    def _shown(self) -> str:
        # Not pyte's own `display`, which fails on the stub that half of an overwritten wide character leaves.
        columns = range(self._screen.columns)
        return "\n".join(
            "".join(self._screen.buffer[y][x].data for x in columns) for y in range(self._screen.lines)
        )

    def send(self, keys: str) -> float:
        """Type; returns the monotonic time at which it was typed."""
        at = time.monotonic()
        os.write(self._master, keys.encode())
        return at

    def resize(self, cols: int, rows: int) -> None:
        with self._changed:
            self._screen.resize(rows, cols)
        self._set_size(cols, rows)

    def wait_for(self, condition: str | Callable[[str], bool], timeout: float = 30.0) -> float:
        """Until the screen holds this text, or fulfils this condition; returns when it did (monotonic)."""
        good = condition if callable(condition) else lambda text: condition in text
        deadline = time.monotonic() + timeout
        with self._changed:
            while not good(self._shown()):
                left = deadline - time.monotonic()
                if left <= 0 or (not self._changed.wait(min(left, 1.0)) and self.process.poll() is not None):
                    raise AssertionError(
                        f"not on the screen within {timeout} s: {condition}\n{self._shown()}"
                    )
            return time.monotonic()

    def wait_for_output_after(self, at: float, timeout: float = 5.0) -> float:
        """When the first byte came that was written after `at`."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while self.last_output <= at:
                if not self._changed.wait(max(deadline - time.monotonic(), 0)):
                    raise AssertionError("no output")
            return self.last_output

    def hang_up(self) -> None:
        """Close the terminal under the process, as a lost SSH line does."""
        self._hung_up.set()
        self._reader.join(5)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.hang_up()

    def _set_size(self, cols: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def _read(self) -> None:
        # Only this thread may close the terminal: it stays open as long as a read of it waits.
        while not self._hung_up.is_set():
            if not select.select([self._master], [], [], 0.05)[0]:
                continue
            try:
                data = os.read(self._master, 65536)
            except OSError:
                data = b""
            with self._changed:
                if data:
                    self.raw += data
                    self.last_output = time.monotonic()
                    self._stream.feed(data)
                self._changed.notify_all()
            if not data:
                break
        os.close(self._master)
