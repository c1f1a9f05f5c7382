"""What a screen does with log lines: keep the last ones, filter them, count equal ones. Pure."""

from __future__ import annotations

import re
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from console.domain.errors import Misuse
from console.domain.log import LEVELS, LogLine
from console.domain.text import printable

KEPT = 20_000
_LONGEST_PATTERN = 500

# What differs between lines that say the same. A number that belongs to a name (provider-2, p95, v1.2) stays,
# unless it is so long that it must be somebody's id.
_VARYING = re.compile(
    r"""
      \b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b   # UUID
    | \b[\w.+-]+@[\w-]+(?:\.[\w-]+)+                                     # mail address
    | \b\d{1,3}(?:\.\d{1,3}){3}(?:[:/]\d+)?\b                            # IPv4, with a port or a prefix
    | (?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])(?:/\d+)?   # IPv6, time of day
    | (?<![0-9a-z])(?=[a-f]*\d)[0-9a-f]{8,}(?![0-9a-z])                  # hash, request id
    | (?<![\w.-])[-+]?(?:0x[0-9a-f]+|\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+\b)?) # number
    | \d{4,}
    """,
    re.VERBOSE | re.IGNORECASE,
)
_AT_LEAST = {level: frozenset(LEVELS[i:]) for i, level in enumerate(LEVELS)}
_MAY_VARY = re.compile(r"\d|@|::")


@dataclass(frozen=True, slots=True)
class GroupKey:
    """What lines have in common that say the same; `template` is the text, `origin` what wrote it, both without what
    varies."""

    source: str
    level: str
    origin: str
    template: str


@dataclass(frozen=True, slots=True)
class LineGroup:
    """Equal lines: how many, and the one with the latest time."""

    key: GroupKey
    count: int
    newest: LogLine


@lru_cache(KEPT + KEPT // 4)
def template(text: str) -> str:
    """`text` with numbers, UUIDs, hashes and addresses replaced by `#`, so that equal messages are equal."""
    if not _MAY_VARY.search(text):
        return text
    # Word by word: most words are letters only, and trying the whole pattern at each letter is what costs.
    return " ".join(
        word if word.isalpha() or not _MAY_VARY.search(word) else _VARYING.sub("#", word)
        for word in text.split(" ")
    )


def key_of(line: LogLine) -> GroupKey:
    """The group that a line belongs to."""
    return GroupKey(line.source, line.level, template(line.origin), template(line.text))


def grouped(lines: Iterable[LogLine]) -> list[LineGroup]:
    """Lines that say the same, the most frequent first, then the newest. The counts add up to the number of lines."""
    counts: dict[tuple[str, str, str, str], int] = {}
    newest: dict[tuple[str, str, str, str], LogLine] = {}
    for line in lines:
        key = (line.source, line.level, template(line.origin), template(line.text))
        counts[key] = counts.get(key, 0) + 1
        if key not in newest or line.at >= newest[key].at:
            newest[key] = line
    groups = [LineGroup(GroupKey(*key), count, newest[key]) for key, count in counts.items()]
    return sorted(groups, key=lambda g: (-g.count, -g.newest.at.timestamp()))


def pattern(text: str) -> re.Pattern[str] | None:
    """A regular expression that ignores case; None for an empty one. Raises Misuse with what is wrong, and where."""
    if not text:
        return None
    if len(text) > _LONGEST_PATTERN:
        raise Misuse(f"expected a regular expression of at most {_LONGEST_PATTERN} characters")
    return compiled(text, re.IGNORECASE)


def compiled(text: str, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    """A regular expression that somebody typed. Raises Misuse with what is wrong, and where."""
    try:
        with warnings.catch_warnings():
            # Of what may mean something else in a later Python; it would be printed across the screen.
            warnings.simplefilter("ignore")
            return re.compile(text, flags)
    except (re.error, OverflowError, RecursionError) as error:
        where = (
            f" at character {error.pos + 1}" if isinstance(error, re.error) and error.pos is not None else ""
        )
        said = error.msg if isinstance(error, re.error) else str(error)
        raise Misuse(f"not a regular expression: {printable(said, 100)}{where}") from None


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines are wanted; what is None lets everything through. `level` is the least bad one."""

    source: str | None = None
    level: str = "debug"
    pattern: re.Pattern[str] | None = None
    group: GroupKey | None = None

    def passes(self, line: LogLine) -> bool:
        """Whether a line is wanted. The pattern may be in its text, its origin, its user or its request."""
        if self.source is not None and line.source != self.source:
            return False
        if line.level not in _AT_LEAST[self.level]:
            return False
        if self.group is not None and key_of(line) != self.group:
            return False
        if self.pattern is None:
            return True
        search = self.pattern.search
        return bool(search(line.text) or search(line.origin) or search(line.user) or search(line.request))


class LogLines:
    """The last lines in the order in which they came, and those of them that the filter lets through.

    Ids grow. `dropped` counts what is missing before the first line because no more than `most` are kept.
    """

    def __init__(self, most: int = KEPT) -> None:
        self.filter = LogFilter()
        self.dropped = 0
        self._most = most
        self._lines: list[LogLine] = []
        self._shown: list[LogLine] = []

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def shown(self) -> Sequence[LogLine]:
        """What the filter lets through, oldest first; the same list until the next change."""
        return self._shown

    @property
    def hidden(self) -> int:
        """How many of the kept lines the filter holds back."""
        return len(self._lines) - len(self._shown)

    @property
    def first_id(self) -> int | None:
        return self._lines[0].id if self._lines else None

    @property
    def last_id(self) -> int | None:
        return self._lines[-1].id if self._lines else None

    @property
    def full(self) -> bool:
        """Whether older lines would only push out newer ones."""
        return len(self._lines) >= self._most

    def append(self, lines: Sequence[LogLine]) -> None:
        """Newer lines; those that are here already are passed over. The oldest go when there are too many."""
        last = self.last_id or 0
        new = [line for line in lines if line.id > last]
        shown = [line for line in new if self.filter.passes(line)]
        self._lines += new
        self._shown += shown
        over = len(self._lines) - self._most
        if over > 0:
            gone = self._lines[over - 1].id
            del self._lines[:over]
            del self._shown[: bisect_right(self._shown, gone, key=lambda line: line.id)]
            self.dropped += over

    def prepend(self, lines: Sequence[LogLine]) -> bool:
        """Older lines, as far as there is room; False when none of them was new."""
        first, room = self.first_id, self._most - len(self._lines)
        older = [line for line in lines if first is None or line.id < first]
        kept = older[max(len(older) - room, 0) :]
        shown = [line for line in kept if self.filter.passes(line)]
        self._lines[:0] = kept
        self._shown[:0] = shown
        # What was left out before is the first to come back.
        self.dropped -= min(self.dropped, len(kept))
        return bool(kept)

    def restart(self, lines: Sequence[LogLine]) -> None:
        """Go on with newer lines that do not follow on those that are kept; the ids tell how many lie between."""
        if self._lines and lines:
            self.dropped += len(self._lines) + lines[0].id - self._lines[-1].id - 1
        self._lines, self._shown = [], []
        self.append(lines)

    def choose(self, wanted: LogFilter) -> None:
        """Filter differently. Interrupted, everything is as it was."""
        shown = [line for line in self._lines if wanted.passes(line)]
        self.filter, self._shown = wanted, shown
