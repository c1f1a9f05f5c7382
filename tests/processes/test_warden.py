"""The warden with real processes and real kills, as root (PID namespace) and without (subreapers)."""

import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from console.domain.errors import TradexError
from console.processes.warden import spawn

from .conftest import HERE, Driver, living, tree

SECRET = {"PASSWORD": "wild-strawberry"}
# The command, the plain child, the one in its own session, the daemon.
MEMBERS = 4
Until = Callable[..., Any]


@pytest.fixture
def driver(identity: tuple[str, ...], drivers: Callable[..., Driver]) -> Driver:
    return drivers(*identity)


class Family:
    """The command `family.py`, whose members are found by a lock that each of them holds until its end."""

    def __init__(self, lock: Path) -> None:
        self.lock = lock
        self.lock.touch(0o666)

    def argv(self, *mode: str) -> list[str]:
        return [sys.executable, "-I", "-S", str(HERE / "family.py"), mode[0], str(self.lock), *mode[1:]]

    def size(self) -> int:
        """How many members there have been so far."""
        return self.lock.stat().st_size

    def gone(self) -> bool:
        """Whether none is left. The kernel decides: no snapshot of processes could miss one that forks."""
        with self.lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True


@pytest.fixture
def family(tmp_path: Path) -> Family:
    return Family(tmp_path / "lock")


@pytest.fixture
def settled(driver: Driver, family: Family, wait_until: Until) -> int:
    """A family under a warden of the driver, all of it there; the warden's pid."""
    pid = driver.ask("spawn", argv=family.argv("stay"), env=SECRET)
    wait_until(lambda: family.size() == MEMBERS)
    assert not family.gone()
    driver.family()
    return pid


def roles(warden: int) -> dict[str, psutil.Process]:
    """The keeper, the inner process and the command below a warden's pid."""
    keeper = psutil.Process(warden)
    (inner,) = keeper.children()
    command = min(inner.children(), key=lambda process: process.pid)
    return {"keeper": keeper, "inner": inner, "command": command}


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -15 $$", 143), ("exec /dev/null", 126)],
)
def test_the_exit_code_of_the_command_is_reported(driver: Driver, script: str, code: int) -> None:
    driver.ask("spawn", argv=["sh", "-c", script])
    assert driver.ask("wait", timeout=20) == code
    assert driver.ask("running") is False


def test_waiting_too_long_raises_and_leaves_the_command_running(driver: Driver) -> None:
    driver.ask("spawn", argv=["sleep", "1000"])
    assert driver.ask("wait", timeout=0.05)["kind"] == "TimeoutError"
    assert driver.ask("running") is True


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"argv": ["no-such-program-here"]}, "no such program"),
        ({"argv": ["true"], "cwd": Path("/no/such/folder")}, "no such folder"),
        ({"argv": ["true"], "log": Path("/no/such/folder/log")}, "can't be written"),
    ],
)
def test_what_cannot_be_started_is_one_clear_error(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(TradexError, match=said):
        spawn(**arguments)


def test_environment_input_folder_and_log_are_the_given_ones(tmp_path: Path) -> None:
    log = tmp_path / "a log"
    log.write_text("before\n")
    script = "cat; env | grep -v '^PWD=' | sort; pwd; echo wrong >&2"
    child = spawn(
        ["/bin/sh", "-c", script],
        env={"SECRET": "hü\udcff", "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        log=log,
        stdin_data=b"given\n",
    )
    assert child.wait(20) == 0
    assert log.read_bytes().splitlines() == [
        *(b"before", b"given", b"PATH=/usr/bin:/bin", "SECRET=hü".encode() + b"\xff"),
        *(os.fsencode(tmp_path), b"wrong"),
    ]


def test_a_new_log_is_private(tmp_path: Path) -> None:
    spawn(["true"], log=tmp_path / "log").wait(20)
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_no_command_line_or_warden_environment_shows_the_environment(
    driver: Driver, family: Family, settled: int, wait_until: Until
) -> None:
    for process in tree(settled):
        assert SECRET["PASSWORD"] not in " ".join(process.cmdline())
    assert psutil.Process(settled).environ() == {}


def test_the_command_finds_itself_in_proc(driver: Driver) -> None:
    script = "import os, sys; sys.exit(os.readlink('/proc/self') != str(os.getpid()))"
    driver.ask("spawn", argv=[sys.executable, "-I", "-S", "-c", script])
    assert driver.ask("wait", timeout=20) == 0


def test_the_command_inherits_no_ignored_or_held_signal(driver: Driver, tmp_path: Path) -> None:
    log = tmp_path / "log"
    driver.ask("spawn", argv=["grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status"], log=str(log))
    assert driver.ask("wait", timeout=20) == 0
    assert {int(line.split()[1], 16) for line in log.read_text().splitlines()} == {0}


def test_the_command_runs_in_a_session_of_its_own(
    driver: Driver, family: Family, settled: int, wait_until: Until
) -> None:
    command = roles(settled)["command"]
    assert os.getsid(command.pid) not in {os.getsid(0), os.getsid(driver.pid)}


def test_a_passed_on_signal_reaches_the_command(driver: Driver, tmp_path: Path, wait_until: Until) -> None:
    log = tmp_path / "log"
    driver.ask(
        "spawn", argv=["sh", "-c", "trap 'exit 7' INT; echo up; while :; do sleep 0.01; done"], log=str(log)
    )
    wait_until(lambda: log.read_text())
    driver.ask("signal", number=signal.SIGINT)
    assert driver.ask("wait", timeout=20) == 7


def test_stop_lets_the_command_end_by_itself(driver: Driver, tmp_path: Path, wait_until: Until) -> None:
    log = tmp_path / "log"
    driver.ask(
        "spawn", argv=["sh", "-c", "trap 'exit 5' TERM; echo up; while :; do sleep 0.01; done"], log=str(log)
    )
    wait_until(lambda: log.read_text())
    assert driver.ask("stop", grace_s=20) == 5


def test_stop_kills_what_does_not_listen_with_all_relatives(
    driver: Driver, family: Family, settled: int, wait_until: Until
) -> None:
    assert driver.ask("stop", grace_s=0.05) == 137
    assert family.gone()
    assert not driver.family()


def test_relatives_that_are_left_behind_end_with_the_command(driver: Driver, family: Family) -> None:
    driver.ask("spawn", argv=family.argv("leave", "4"))
    assert driver.ask("wait", timeout=20) == 4
    assert family.gone()


def test_nothing_outlives_a_killed_parent(
    driver: Driver, family: Family, settled: int, wait_until: Until
) -> None:
    driver.kill()
    wait_until(lambda: family.gone() and not driver.family())


def test_nothing_outlives_a_parent_that_ends_without_a_word(
    driver: Driver, family: Family, settled: int, wait_until: Until
) -> None:
    assert driver.process.stdin is not None
    driver.process.stdin.close()
    driver.process.wait(20)
    wait_until(lambda: family.gone() and not driver.family())


def test_nothing_outlives_the_last_reference(
    driver: Driver, family: Family, settled: int, wait_until: Until
) -> None:
    driver.ask("forget")
    wait_until(lambda: family.gone())


@pytest.mark.parametrize("victim", ["keeper", "inner", "command"])
def test_nothing_outlives_a_kill_of(
    victim: str, driver: Driver, family: Family, settled: int, wait_until: Until
) -> None:
    roles(settled)[victim].kill()
    assert driver.ask("wait", timeout=20) == 137
    wait_until(lambda: family.gone() and not driver.family())


def test_nothing_outlives_a_killed_parent_whose_forks_hold_the_pipe(
    driver: Driver, family: Family, settled: int, wait_until: Until
) -> None:
    forked = psutil.Process(driver.ask("fork"))
    try:
        driver.kill()
        wait_until(lambda: family.gone())
        assert living({forked})
    finally:
        forked.kill()


@pytest.mark.parametrize("victim", ["parent", "keeper", "inner"])
def test_nothing_outlives_a_storm_of_forks(
    victim: str, driver: Driver, family: Family, wait_until: Until
) -> None:
    warden = driver.ask("spawn", argv=family.argv("storm"))
    wait_until(lambda: family.size() > 100)
    assert not family.gone()
    if victim == "parent":
        driver.kill()
    else:
        roles(warden)[victim].kill()
    # Whoever ends a storm competes with it for the machine.
    wait_until(family.gone, 40)


def test_a_stopped_parent_is_no_dead_parent(driver: Driver, tmp_path: Path, wait_until: Until) -> None:
    beats = tmp_path / "beats"
    driver.ask("spawn", argv=["sh", "-c", "while :; do echo beat; sleep 0.01; done"], log=str(beats))
    wait_until(lambda: beats.stat().st_size)
    os.kill(driver.pid, signal.SIGSTOP)
    wait_until(lambda: psutil.Process(driver.pid).status() == psutil.STATUS_STOPPED)
    there = beats.stat().st_size
    wait_until(lambda: beats.stat().st_size > there + 50 * len("beat\n"))
    os.kill(driver.pid, signal.SIGCONT)
    assert driver.ask("stop", grace_s=20) == 143


def test_nothing_outlives_the_silence_of_a_stopped_parent_that_has_to_give_signs_of_life(
    driver: Driver, family: Family, wait_until: Until
) -> None:
    driver.ask("spawn", argv=family.argv("stay"), silence_s=1.0)
    driver.ask("beat")
    wait_until(lambda: family.size() == MEMBERS)
    driver.family()
    # It lives on for longer than the silence that it would not survive.
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() > begun + 1.5)
    assert not family.gone() and driver.ask("running") is True
    os.kill(driver.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: family.gone() and not driver.family() - {psutil.Process(driver.pid)})
    finally:
        os.kill(driver.pid, signal.SIGCONT)
    assert driver.ask("wait", timeout=20) == 137


def test_output_goes_to_the_given_descriptor(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    child = spawn(["sh", "-c", "echo out; echo err >&2"], output=writing)
    os.close(writing)
    with os.fdopen(reading) as said:
        assert said.read() == "out\nerr\n"
    assert child.wait(20) == 0


def test_a_stopped_warden_is_ended_all_the_same(
    driver: Driver, family: Family, settled: int, wait_until: Until
) -> None:
    os.kill(settled, signal.SIGSTOP)
    assert driver.ask("kill", last_s=0.1) == 137
    wait_until(lambda: family.gone() and not driver.family())
