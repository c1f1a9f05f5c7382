"""The demo as a person uses it: in a terminal, beside another one, cut off, killed and started again."""

import os
import re
import signal
import time
from pathlib import Path

from tests.demo import TRADEX, Demo
from tests.terminal import Terminal

FULL = "execute-order"
UNSAFE = re.compile("[\x80-\x9f\u202a-\u202e\u2066-\u2069]")


def test_another_console_shows_the_demo_and_its_drill(demo: Demo) -> None:
    with Terminal(TRADEX, env=demo.env) as terminal:
        terminal.wait_for(FULL)
        terminal.wait_for("lead agent-1")
        assert demo.run("drill", "cache-down", "--for", "60").returncode == 0
        terminal.wait_for(lambda text: re.search(r"■ cache +down", text) is not None)
        terminal.send("2")
        terminal.wait_for("compare off")
        terminal.send("1")
        demo.run("drill", "--stop")
        terminal.wait_for(lambda text: re.search(r"● cache +ok", text) is not None)
        terminal.send("q")
        assert terminal.process.wait(15) == 0


def test_another_person_is_who_the_connection_says(demo: Demo) -> None:
    with Terminal([*TRADEX, "--as", "vera"], cols=80, rows=24, env=demo.env) as terminal:
        terminal.wait_for(FULL)
        terminal.wait_for("vera")
        terminal.wait_for("read-only")
    nobody = demo.run("--as", "mallory", "status")
    assert nobody.returncode == 2
    assert "alice, bob, vera" in nobody.stderr


def test_a_small_terminal_and_back(demo: Demo) -> None:
    with Terminal(TRADEX, env=demo.env) as terminal:
        terminal.wait_for(FULL)
        terminal.resize(20, 5)
        terminal.wait_for(lambda text: FULL not in text)
        terminal.resize(120, 40)
        terminal.wait_for(FULL)


def test_a_lost_line_ends_the_console_and_nothing_else(demo: Demo) -> None:
    with Terminal(TRADEX, env=demo.env) as terminal:
        terminal.wait_for(FULL)
        terminal.hang_up()
        terminal.process.wait(15)
    with Terminal(TRADEX, env=demo.env) as terminal:
        terminal.wait_for(FULL)
        terminal.process.send_signal(signal.SIGHUP)
        terminal.process.wait(15)
    assert demo.json("status", code=None)["agent"]["leader"] == "agent-1"


async def test_hostile_text_from_the_platform_reaches_no_terminal_as_it_is(demo: Demo) -> None:
    """Written straight into the store, as a patched agent could, it is made visible on the way to the screen."""
    hostile = "x\x1b]52;c;aGk=\x07\x9b31m\u202eevil[@click=app.quit]q[/]"
    store = await demo.store()
    try:
        await store.execute(
            "INSERT INTO console.event (kind, severity, subject, text, actor) VALUES ('drill', 'info', $1, $1, $1)",
            hostile,
        )
        with Terminal(TRADEX, cols=160, rows=50, env=demo.env) as terminal:
            terminal.wait_for("evil[@click=app.quit]q[/]")
            shown = terminal.raw.decode(errors="replace")
        assert "]52;" not in re.sub(r"␛\]52;", "", shown)
        assert not UNSAFE.search(shown)
    finally:
        await store.close()


def test_a_second_demo_in_the_same_folder_is_refused_and_one_beside_it_runs(
    demo: Demo, tmp_path: Path
) -> None:
    refused = demo.run("demo", "--headless")
    assert refused.returncode == 2
    assert "opens another console" in refused.stderr
    beside = Demo(tmp_path / "other")
    try:
        beside.start()
        assert beside.info["store_url"] != demo.info["store_url"]
        beside.until(lambda: beside.json("status", code=None)["overall"] in {"healthy", "degraded"})
        before = demo_age(beside)
        assert beside.process is not None
        beside.process.send_signal(signal.SIGKILL)
        beside.process.wait()
        demo.until(lambda: not left_of(beside.state))
        beside.start()
        assert demo_age(beside) <= before, "the data of the run that was killed is still there"
    finally:
        beside.stop()
    demo.until(lambda: not left_of(beside.state))
    assert demo.json("status", code=None)["agent"]["leader"] == "agent-1"


def demo_age(demo: Demo) -> float:
    """When the first event of this store was, seconds since the epoch."""
    done = demo.run(
        "sandbox", "psql", "console", "-Atc", "SELECT extract(epoch FROM min(at)) FROM console.event"
    )
    return float(done.stdout)


def left_of(state: Path) -> list[int]:
    """Processes that have something of this state folder open in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            if str(state).encode() in command and ") Z" not in stat:
                found.append(int(entry.name))
    return found


def test_psql_opens_the_platforms_database(demo: Demo) -> None:
    begun = time.time()
    done = demo.run(
        "sandbox", "psql", "platform", "-Atc", "SELECT extract(epoch FROM max(created_at)) FROM orders"
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > begun - 60
