"""Start a command whose whole tree ends with us, however we end.

The work is done by the warden program, `_warden.py`; this is the side of the process that asks for it.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from console.domain.errors import TradexError

_PROGRAM = Path(__file__).with_name("_warden.py")
# How long a warden may take to end a tree it was told to end before it is killed itself.
_LAST_S = 5.0


class Child:
    """A command and every process below it, under a warden. Keep a reference: the tree ends with this object.

    `pid` is the warden's. Safe to use from any thread.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", heartbeat: int, name: str) -> None:
        self._process = process
        self._heartbeat = heartbeat
        self._closing = threading.Lock()
        self.name = name

    @property
    def pid(self) -> int:
        return self._process.pid

    def running(self) -> bool:
        """Whether the command, or anything of its tree, still runs."""
        alive = self._process.poll() is None
        if not alive:
            self._let_go()
        return alive

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the whole tree is gone, `timeout` seconds at most, and return the command's exit code.

        128 + N when signal N ended it, 126 or 127 when it could not be started. 137 too when the warden
        itself was killed: the kernel is then still ending the tree. Raises TimeoutError; the command then
        still runs.
        """
        if timeout is not None and not self._ended_within(timeout):
            raise TimeoutError(f"{self.name} still runs after {timeout} s")
        code = self._process.wait()
        self._let_go()
        return code if code >= 0 else 128 - code

    def beat(self) -> None:
        """Say that we are there, to a warden that wants to hear it (`silence_s`). Never waits."""
        with self._closing:
            if self._heartbeat >= 0:
                # Full: it has not read for long, and need not hear this one too. Broken: it has ended.
                with contextlib.suppress(BlockingIOError, BrokenPipeError):
                    os.write(self._heartbeat, b".")

    def signal(self, number: int) -> None:
        """Pass a signal on to the command: TERM, INT, HUP, QUIT, USR1, USR2. Not an error after its end."""
        if self.running():
            self._process.send_signal(number)

    def stop(self, grace_s: float = 5.0) -> int:
        """SIGTERM to the command, after `grace_s` s SIGKILL to the whole tree; the exit code as by `wait`."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(grace_s)
        except TimeoutError:
            return self.kill()

    def kill(self) -> int:
        """SIGKILL to the whole tree at once; the exit code as by `wait`."""
        self._let_go()
        try:
            return self.wait(_LAST_S)
        except TimeoutError:
            # A warden that was stopped (SIGSTOP) doesn't see its pipe close; its end ends the tree as well.
            self._process.kill()
            return self.wait()

    def _ended_within(self, timeout: float) -> bool:
        if self._process.poll() is not None:
            return True
        # Popen.wait(timeout) looks again every 50 ms; a pidfd tells at once.
        try:
            fd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            ended = select.poll()
            ended.register(fd, select.POLLIN)
            return bool(ended.poll(max(0.0, timeout) * 1000))
        finally:
            os.close(fd)

    def _let_go(self) -> None:
        # Closed once only: the number may belong to another file afterwards.
        with self._closing:
            heartbeat, self._heartbeat = self._heartbeat, -1
        if heartbeat >= 0:
            os.close(heartbeat)

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            self._let_go()


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: Path | None = None,
    stdin_data: bytes | None = None,
    pass_fds: Sequence[int] = (),
    output: int | None = None,
    silence_s: float | None = None,
) -> Child:
    """Start `argv` under a warden and return at once.

    The command runs in a session of its own, in `cwd` (ours by default), with exactly `env` (ours by
    default), which is handed over through memory, not through a command line. Its output is written to the
    descriptor `output`, or appended to `log` (created 0600); without either it is dropped. Its input is
    `stdin_data` or empty. `pass_fds` stay open in every process of the tree.

    When this process ends, also by `kill -9`, or when the warden itself is killed, the whole tree is killed.
    Being stopped (SIGSTOP) is no end, unless `silence_s` is given: then the tree is killed as well when `beat` was
    not called for so long. Raises TradexError when the program, `cwd` or `log` can't be used.
    """
    environment = dict(os.environ if env is None else env)
    if shutil.which(argv[0], path=environment.get("PATH", os.defpath)) is None:
        raise TradexError(f"{argv[0]} can't be started: there is no such program that may be executed")
    if cwd is not None and not cwd.is_dir():
        raise TradexError(f"{argv[0]} can't be started in {cwd}: there is no such folder")
    spec = {
        "argv": list(argv),
        "env": environment,
        "cwd": str((cwd or Path.cwd()).absolute()),
        "parent": os.getpid(),
        "silence_s": silence_s,
    }
    name = Path(argv[0]).name
    with contextlib.ExitStack() as stack:
        written = _open_log(log, name) if output is None else os.dup(output)
        stack.callback(os.close, written)
        given = _in_memory(stdin_data or b"")
        stack.callback(os.close, given)
        # Lone surrogates, which stand for bytes that are no UTF-8, survive as JSON escapes.
        described = _in_memory(json.dumps(spec).encode())
        stack.callback(os.close, described)
        beat, heartbeat = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(heartbeat, False)
        stack.callback(os.close, beat)
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_PROGRAM), str(beat), str(described), name],
                stdin=given,
                stdout=written,
                stderr=written,
                env={},
                cwd="/",
                pass_fds=(beat, described, *pass_fds),
                start_new_session=True,
            )
        except OSError as error:
            os.close(heartbeat)
            raise TradexError(f"{name} can't be started: {error.strerror}") from error
    return Child(process, heartbeat, name)


def _open_log(log: Path | None, name: str) -> int:
    if log is None:
        return os.open(os.devnull, os.O_WRONLY)
    try:
        return os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError as error:
        raise TradexError(f"the log of {name} can't be written: {log}: {error.strerror}") from error


def _in_memory(data: bytes) -> int:
    """A descriptor from which `data` can be read: nothing of it touches a disk."""
    fd = os.memfd_create("tradex", os.MFD_CLOEXEC)
    with open(fd, "wb", closefd=False) as file:
        file.write(data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
