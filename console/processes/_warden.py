"""The warden program: keeps one command, and all it starts, from outliving the process that asked for it.

Started by `warden.spawn` as `python -I -S _warden.py HEARTBEAT_FD SPEC_FD NAME`; standard library only, one
thread. Two processes share the work, so that `kill -9` of either leaves nothing behind:

    asking process -> keeper -> inner -> command -> ...

The keeper ends the tree when the heartbeat pipe closes or the asking process is gone; where it is told how
long that process may be silent, also when nothing was written to the pipe for so long (it was stopped, or
hangs). As root, inner is the first process of a PID namespace: the kernel ends everything in it together
with inner, and inner together with the keeper. Where namespaces are not allowed both are subreapers
(prctl(2)): orphans, also those that called setsid or forked twice, come back to the nearest living one of
the two, which walks /proc until none is left.

Exit code: that of the command, 128 + N when signal N ended it, 126 or 127 when it could not be started.
"""

import ctypes
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

PASSED_ON = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
HANDLED = (*PASSED_ON, signal.SIGCHLD)
KILLED = 128 + signal.SIGKILL

# linux/prctl.h, linux/sched.h and sys/mount.h
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWNS = 0x00020000
CLONE_NEWPID = 0x20000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_SLAVE = 2, 4, 8, 0x4000, 1 << 19

libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int) -> None:
    libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))


class Signals:
    """The signals of this process as readable bytes on `.fd`, each byte one signal number."""

    def __init__(self) -> None:
        self.fd, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in HANDLED:
            signal.signal(number, lambda *_: None)

    def read(self) -> bytes:
        try:
            return os.read(self.fd, 256)
        except BlockingIOError:
            return b""


def complain(line: str) -> None:
    """Say something in the command's log."""
    os.write(2, f"tradex: {line}\n".encode(errors="replace"))


def fork(run: Callable[[], NoReturn]) -> int:
    """Fork with signals held back until each side has its own handlers; returns the pid that runs `run`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    pid = os.fork()
    if pid == 0:
        try:
            run()
        except BaseException as error:
            complain(f"the warden failed: {error!r}")
        finally:
            os._exit(126)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
    return pid


def reap(child: int) -> int | None:
    """Collect every ended child; the exit code of `child` when it was among them."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == child:
            ended = os.waitstatus_to_exitcode(status)
            code = ended if ended >= 0 else 128 - ended


class Pulse:
    """The bytes that must come through `fd`, one at least within each `silence_s` seconds."""

    def __init__(self, fd: int, silence_s: float) -> None:
        self.fd = fd
        self._silence_s = silence_s
        self._until = time.monotonic() + silence_s

    def left_ms(self) -> float:
        """Until it has been silent for too long."""
        return max((self._until - time.monotonic()) * 1000, 0.0)

    def heard(self) -> bool:
        """Read what has come; False when the other side is gone."""
        self._until = time.monotonic() + self._silence_s
        return bool(os.read(self.fd, 4096))


def watch(child: int, signals: Signals, lifelines: list[int], pulse: "Pulse | None" = None) -> int | None:
    """Pass signals on to `child` until it ends (its exit code) or a lifeline is cut, or falls silent (None)."""
    poll = select.poll()
    for fd in (signals.fd, *lifelines):
        poll.register(fd, select.POLLIN)
    while True:
        ready = poll.poll(None if pulse is None else pulse.left_ms())
        if not ready and pulse is not None and not pulse.left_ms():
            return None
        for fd, _ in ready:
            if fd != signals.fd:
                if pulse is not None and fd == pulse.fd and pulse.heard():
                    continue
                return None
            received = signals.read()
            code = reap(child)
            if code is not None:
                return code
            for number in received:
                if number in PASSED_ON:
                    os.kill(child, number)


def descendants() -> list[int]:
    """The living processes below this one, nearest first."""
    children: dict[int, list[tuple[int, bool]]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 (pathlib costs a third of the start-up)
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                state, parent = file.read().rpartition(b")")[2].split()[:2]
        except OSError:
            continue
        children.setdefault(int(parent), []).append((int(name), state in (b"Z", b"X")))
    found: list[int] = []
    waiting = [os.getpid()]
    while waiting:
        for pid, dead in children.get(waiting.pop(), []):
            waiting.append(pid)
            if not dead:
                found.append(pid)
    return found


def childless() -> bool:
    """Whether no child is left, collecting the ended. A subreaper without children has no descendants."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False


def kill_tree() -> None:
    """SIGKILL everything below this process, round after round, until nothing that may be killed is left.

    Whoever loses its parent in one round is handed to this process by the kernel and found in the next one.
    """
    try:
        if os.readlink("/proc/self") != str(os.getpid()):  # noqa: PTH115
            return  # This /proc shows another PID namespace: its numbers are other people's processes.
    except OSError:
        return
    pause = 0.001
    while not childless():
        found = descendants()
        refused = 0
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except PermissionError:
                refused += 1
            except ProcessLookupError:
                continue
        if found and refused == len(found):
            return
        time.sleep(pause)
        pause = min(pause * 2, 0.05)


def own_proc() -> bool:
    """Mount a /proc that belongs to the PID namespace of this process; False where that is not allowed."""
    if libc.unshare(CLONE_NEWNS):
        return False
    # A slave still sees what the host mounts later on, and never passes on what is mounted in here.
    if libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_SLAVE), None):
        return False
    return not libc.mount(b"proc", b"/proc", b"proc", ctypes.c_ulong(MS_NOSUID | MS_NODEV | MS_NOEXEC), None)


def namespace_allowed() -> bool:
    """Whether a PID namespace with its own /proc can be made. Tried in a child, since there is no way back.

    Without root it would need a user namespace, in which every file of root seems to be nobody's; ssh and git
    then refuse their own configuration.
    """
    if os.geteuid() != 0:
        return False

    def attempt() -> NoReturn:
        if libc.unshare(CLONE_NEWPID):
            os._exit(1)
        first = os.fork()
        if first == 0:
            os._exit(0 if own_proc() else 1)
        os._exit(1 if os.waitpid(first, 0)[1] else 0)

    return os.waitpid(fork(attempt), 0)[1] == 0


def become(spec: dict, parent: int) -> NoReturn:
    """Turn this process into the command."""
    os.setsid()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(KILLED)
    signal.set_wakeup_fd(-1)
    # Python ignores these two at its start, which a command would inherit.
    for number in (*HANDLED, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    argv = spec["argv"]
    try:
        os.chdir(spec["cwd"])
        os.execvpe(argv[0], argv, spec["env"])  # noqa: S606
    except OSError as error:
        complain(f"{argv[0]} can't be started: {error.strerror}")
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def inner(spec: dict, lifeline: int, namespace: bool) -> NoReturn:
    """Run the command; end with its exit code, and with everything that it has left behind."""
    signals = Signals()
    if namespace:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        own_proc()
    else:
        prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
    me = os.getpid()
    command = fork(lambda: become(spec, me))
    code = watch(command, signals, [lifeline])
    if not namespace:
        kill_tree()
    os._exit(KILLED if code is None else code)


def keeper(heartbeat: int, spec: dict) -> int:
    """Start inner, stay until it ends or the asking process is gone; returns the exit code of the command."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    lifelines = [heartbeat]
    # The pipe alone would miss the death of a process whose forked children still hold its other end.
    with suppress(OSError):
        lifelines.append(os.pidfd_open(spec["parent"]))
    if os.getppid() != spec["parent"]:
        return KILLED
    signals = Signals()
    namespace = namespace_allowed()
    lifeline, held = os.pipe2(os.O_CLOEXEC)
    if namespace and libc.unshare(CLONE_NEWPID):
        namespace = False

    def run_inner() -> NoReturn:
        for fd in (held, *lifelines):
            os.close(fd)
        inner(spec, lifeline, namespace)

    child = fork(run_inner)
    os.close(lifeline)
    silence_s = spec.get("silence_s")
    code = watch(child, signals, lifelines, None if silence_s is None else Pulse(heartbeat, silence_s))
    if namespace:
        if code is None:
            # The kernel reports the end of a namespace's first process only after all others in it are gone.
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    else:
        kill_tree()
    return KILLED if code is None else code


def main() -> NoReturn:
    heartbeat, source = int(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(heartbeat, False)
    with open(source, "rb") as file:
        spec = json.load(file)
    os._exit(keeper(heartbeat, spec))


if __name__ == "__main__":
    main()
