"""Runs one command: under a warden that ends its whole tree when this process ends, is stopped or hangs; its output
line by line, bounded and without secrets."""

from __future__ import annotations

import asyncio
import codecs
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from console.domain.errors import TradexError
from console.processes.warden import Child, spawn
from console.settings import MASK

MOST_BYTES = 10_000_000
MOST_LINES = 16_000
"""Of one action; the store takes 20,000 lines."""
SILENCE_S = 2.0
# With the silence after it less than the shortest lease and the wait before a takeover.
PATIENCE_S = 1.5
_BEAT_S = 0.4
_STOP_S = 2.0
_READ_AT_ONCE = 65_536
_LONGEST_LINE = 2000
_LONGEST_TEXT = 2 * _READ_AT_ONCE
"""More than is ever cleaned at once."""
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")

Output = Callable[[Sequence[str]], None]
"""Takes lines of output."""


class CommandFailed(TradexError):
    """It ended with `code`, None where it could not even be started."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


def passed_on() -> dict[str, str]:
    """Those of this process's variables that a command sees, and no other."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def before_path(folders: Sequence[Path]) -> str:
    """PATH with these folders in front."""
    return os.pathsep.join((*map(str, folders), os.environ.get("PATH", os.defpath)))


class _Heart:
    """Beats in a thread of its own, as long as the event loop shows itself: a loop that hangs for a moment doesn't end
    a command, one that hangs for as long as a lease does."""

    def __init__(self, child: Child, patience_s: float) -> None:
        self._child = child
        self._patience_s = patience_s
        self._seen = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heart", daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        while not self._stopped.is_set():
            if time.monotonic() - self._seen < self._patience_s:
                self._child.beat()
            self._stopped.wait(_BEAT_S)

    async def show(self) -> None:
        """Until cancelled."""
        while True:
            self._seen = time.monotonic()
            await asyncio.sleep(_BEAT_S)

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()


class Room:
    """How much of the output of all commands of one action is kept: half of it for what comes first, the rest for the
    end of each of them, of which the first gets most. `bytes_used` and `lines_used` are there already."""

    def __init__(
        self,
        *,
        most_bytes: int = MOST_BYTES,
        most_lines: int = MOST_LINES,
        bytes_used: int = 0,
        lines_used: int = 0,
    ) -> None:
        self.bytes, self.lines = most_bytes // 2 - bytes_used, most_lines // 2 - lines_used
        self._end_bytes = most_bytes // 2 + min(self.bytes, 0)
        self._end_lines = most_lines // 2 + min(self.lines, 0)
        self._least = most_bytes // 500, most_lines // 160

    def reserve(self) -> tuple[int, int]:
        """Bytes and lines for the end of one command: some, however little is left."""
        taken = max(self._end_bytes * 9 // 10, self._least[0]), max(self._end_lines * 9 // 10, self._least[1])
        self.give_back(-taken[0], -taken[1])
        return taken

    def give_back(self, size: int, lines: int) -> None:
        """What was reserved and not needed."""
        self._end_bytes += size
        self._end_lines += lines


class Bounded:
    """Passes lines on as long as there is room, then keeps only the last ones for the end. Only what is kept is made
    clean, in pieces where it is long: of a flood that is little."""

    def __init__(self, say: Output, room: Room, clean: Callable[[str], str] = str) -> None:
        self._say = say
        self._clean = clean
        self._room = room
        self._reserved: tuple[int, int] | None = None
        self._tail: deque[str] = deque()
        self._tail_bytes = 0
        self._left_out = 0
        self._last = ""

    @property
    def last(self) -> str:
        """The last line that is not blank, or its end."""
        return _pieces(self._clean(self._last))[-1]

    def take(self, lines: Sequence[str]) -> None:
        """The next lines, as they came."""
        now: list[str] = []
        room = self._room
        for line in lines:
            self._last = line if line and not line.isspace() else self._last
            size = len(line.encode()) + 1
            if self._reserved is None and room.lines > 0 and size <= room.bytes:
                room.bytes -= size
                room.lines -= 1
                now += _pieces(self._clean(line))
                continue
            if self._reserved is None:
                self._reserved = room.reserve()
                now.append("[the output is long: from here on only its end is kept]")
            self._tail.append(line)
            self._tail_bytes += size
            while self._tail_bytes > self._reserved[0] or len(self._tail) > self._reserved[1]:
                self._tail_bytes -= len(self._tail.popleft().encode()) + 1
                self._left_out += 1
        if now:
            self._say(now)

    def end(self) -> None:
        """Say the end of it, and how much is missing before that."""
        if self._left_out:
            self._say([f"[{self._left_out:,} lines left out]"])
        if self._tail:
            self._say([piece for line in self._tail for piece in _pieces(self._clean(line))])
        if self._reserved is not None:
            self._room.give_back(self._reserved[0] - self._tail_bytes, self._reserved[1] - len(self._tail))


async def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None,
    clean: Callable[[object, int], str],
    say: Output,
    room: Room | None = None,
    patience_s: float = PATIENCE_S,
) -> str:
    """Until it ends; its last line. `clean` makes text printable and takes secrets out. `room` is shared with others
    whose output is kept in one place. `patience_s` is how long the
    event loop may hang. When this is cancelled its tree is ended. Raises CommandFailed when it can't be started or
    ends with another code than 0."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        child = spawn(argv, env=env, cwd=cwd, output=writing, silence_s=SILENCE_S)
    except TradexError as error:
        os.close(reading)
        raise CommandFailed(str(error)) from None
    finally:
        os.close(writing)
    heart = _Heart(child, patience_s)
    showing = asyncio.create_task(heart.show())

    def cleaned(text: str) -> str:
        return clean(hidden(text), _LONGEST_TEXT)

    bounded = Bounded(say, room or Room(), cleaned)
    try:
        await _follow(reading, bounded.take, cleaned)
        code = await _ended(child)
    except BaseException:
        await asyncio.shield(asyncio.to_thread(child.stop, _STOP_S))
        raise
    finally:
        showing.cancel()
        heart.stop()
        bounded.end()
    if code:
        words = f": {bounded.last}" if bounded.last else ""
        raise CommandFailed(f"{Path(argv[0]).name} ended with {code}{words}", code)
    return bounded.last


# What looks like a secret, whoever's it is: tokens (RFC 7519, RFC 6750), passwords in URLs and assignments.
_SECRETS = (
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), MASK),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{12,}"), rf"\1 {MASK}"),
    (re.compile(r"(\w://[^\s/:@]*:)[^\s/@]+(?=@)"), rf"\1{MASK}"),
    (
        re.compile(
            r"(?i)\b([\w-]*(?:password|passwd|secret|token|api[_-]?key))(\"?\s*[=:]\s*\"?)[^\s\",;&]+"
        ),
        rf"\1\2{MASK}",
    ),
)


# One of these is in whatever the patterns match: to look for them first takes a tenth of the time.
_SIGNS = ("eyj", "bearer", "basic", "://", "passw", "secret", "token", "key")


def hidden(line: str) -> str:
    """Without what looks like a secret."""
    # As the patterns fold case: to them a long s is an s.
    folded = line.casefold()
    if not any(sign in folded for sign in _SIGNS):
        return line
    for pattern, instead in _SECRETS:
        line = pattern.sub(instead, line)
    return line


async def _follow(reading: int, take: Callable[[list[str]], None], clean: Callable[[str], str]) -> None:
    """Lines from a pipe until its other end is closed; one that does not end comes in pieces that are clean."""
    loop = asyncio.get_running_loop()
    stream = asyncio.StreamReader(limit=_READ_AT_ONCE)
    pipe = os.fdopen(reading, "rb", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    try:
        while data := await stream.read(_READ_AT_ONCE):
            *lines, rest = (rest + decoder.decode(data)).replace("\r\n", "\n").split("\n")
            if len(rest) > 2 * _LONGEST_LINE:
                # Cleaned before it is cut, and cut far from its end: there a secret may have come in part.
                pieces = _pieces(clean(rest))
                lines += pieces[:-2]
                rest = "".join(pieces[-2:])
            if lines:
                take(lines)
        if rest:
            take([rest])
    finally:
        transport.close()


def _pieces(line: str) -> list[str]:
    return [line[at : at + _LONGEST_LINE] for at in range(0, max(len(line), 1), _LONGEST_LINE)]


async def _ended(child: Child) -> int:
    """The exit code, once the whole tree is gone."""
    pause = 0.005
    while True:
        if not child.running():
            return child.wait()
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.1)
