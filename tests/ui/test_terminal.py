"""The console in a real terminal: what arrives there, and how it ends when the terminal does."""

import os
import re
import signal
import sys

import pytest

from tests.terminal import Terminal

SCRIPT = """
from tests.ui.fixtures import story
from console.app import TradexApp
import sys
snapshot = story.live()
if len(sys.argv) > 1:
    from tests.ui.test_hostile_text import HOSTILE, hostile
    snapshot = hostile(HOSTILE[int(sys.argv[1])])
app = TradexApp(story.feed(snapshot), bell=False)
app.run()
sys.exit(app.return_code or 0)
"""

# What Textual itself sends: CSI sequences, and the mouse pointer's shape. Any other OSC, DCS, APC or C1 is data's.
_ALLOWED = re.compile(rb"\x1b\[[0-9;?<>=$ ]*[a-zA-Z@`~]|\x1b\]22;[a-z-]*\x07")


def console(*args: str, env: dict[str, str] | None = None, cols: int = 120, rows: int = 40) -> Terminal:
    return Terminal(
        [sys.executable, "-c", SCRIPT, *args], cols=cols, rows=rows, env={"LC_ALL": "C.UTF-8", **(env or {})}
    )


@pytest.mark.parametrize("index", [0, 1, 2, 4, 8])
def test_no_control_sequence_of_the_data_arrives(index: int) -> None:
    with console(str(index)) as terminal:
        terminal.wait_for("Components")
        terminal.send("2")
        terminal.wait_for("Latency")
        terminal.send("1q")
        assert terminal.process.wait(10) == 0
        rest = _ALLOWED.sub(b"", bytes(terminal.raw))
        text = rest.decode("utf-8")
        strange = {c for c in text if (ord(c) < 32 and c not in "\r\n\t") or 127 <= ord(c) < 160}
        assert not strange, strange


def test_a_hang_up_ends_it_cleanly() -> None:
    with console() as terminal:
        terminal.wait_for("Components")
        terminal.process.send_signal(signal.SIGHUP)
        assert terminal.process.wait(10) == 0
        assert b"Traceback" not in terminal.raw
        assert b"\x1b[?1049l" in terminal.raw, "the terminal is left as it was"


def test_a_lost_terminal_ends_it() -> None:
    with console() as terminal:
        terminal.wait_for("Components")
        terminal.hang_up()
        assert terminal.process.wait(15) is not None


def test_a_lost_terminal_ends_it_even_when_the_signal_is_ignored() -> None:
    ignoring = f"import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n{SCRIPT}"
    argv = [sys.executable, "-c", ignoring]
    with Terminal(argv, env={"LC_ALL": "C.UTF-8"}) as terminal:
        terminal.wait_for("Components")
        terminal.hang_up()
        assert terminal.process.wait(15) is not None


def both_screens(env: dict[str, str]) -> bytes:
    """Every byte of a visit to both screens."""
    with console(env=env) as terminal:
        terminal.wait_for("Components")
        terminal.send("2")
        terminal.wait_for("Latency")
        terminal.send("q")
        assert terminal.process.wait(10) == 0
        return bytes(terminal.raw)


@pytest.mark.parametrize("term", ["xterm-16color", "linux"])
def test_16_colours_are_chosen_by_name(term: str) -> None:
    raw = both_screens({"TERM": term, "COLORTERM": ""})
    assert b"38;2;" not in raw and b"38;5;" not in raw
    assert b"91" in raw, "critical is bright red"


def test_256_colours() -> None:
    raw = both_screens({"TERM": "screen-256color", "COLORTERM": ""})
    assert b"38;2;" not in raw and b"38;5;" in raw


def test_no_color() -> None:
    raw = both_screens({"NO_COLOR": "1"})
    shades = {tuple(rgb.split(b";")) for rgb in re.findall(rb"[34]8;2;(\d+;\d+;\d+)", raw)}
    assert all(max(map(int, s)) - min(map(int, s)) <= 1 for s in shades), "greys only"


@pytest.mark.parametrize("env", [{"LC_ALL": "C"}, {"TRADEX_ASCII": "1"}])
def test_ascii(env: dict[str, str]) -> None:
    assert both_screens(env).isascii()


@pytest.mark.parametrize("env", [{}, {"COLUMNS": "80", "LINES": "24"}])
def test_resized_to_20x5_and_back(env: dict[str, str]) -> None:
    with console(env=env) as terminal:
        terminal.wait_for("Components")
        terminal.resize(20, 5)
        terminal.wait_for("60x15 or larger")
        terminal.resize(120, 40)
        terminal.wait_for("Components")
        terminal.send("q")
        assert terminal.process.wait(10) == 0


def test_resized_and_back_before_the_console_has_seen_it() -> None:
    """The size is the one that was drawn, but what the terminal cut off is gone."""
    with console() as terminal:
        terminal.wait_for("q quit")
        for component in ("cache", "external_apis", "execute-order"):
            # Answers to keys: all that opening the screen drew in several goes is drawn by then.
            terminal.send("j")
            terminal.wait_for(lambda text, c=component: re.search(rf"▌\S {c}", text) is not None)
        terminal.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, terminal.process.pid, os.WSTOPPED | os.WNOWAIT)
        terminal.resize(20, 5)
        terminal.resize(120, 40)
        assert "q quit" not in terminal.text
        terminal.process.send_signal(signal.SIGCONT)
        terminal.wait_for(lambda text: "PRODUCTION" in text and "Components" in text and "q quit" in text)
