"""Reads security.yaml: the shipped one with an installation's own merged over it, entry by entry.

Everything is checked when it is read; what is wrong is a Misuse with file and line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from console.domain.event import Severity
from console.domain.text import printable
from console.located import Table, layered, read
from console.metrics.reading import span_s
from console.monitors.brute_force import Rule

SHIPPED = Path(__file__).resolve().parent.parent / "defaults" / "security.yaml"
ACTIONS = ("block_ip", "none")
_MOST_TIMEOUT_S, _MOST_OVERLAP_S, _MOST_FOR_S = 10.0, 300.0, 30 * 86_400.0
_TIMEOUT_S, _OVERLAP_S, _ROWS = 3.0, 30.0, 5000
_SEVERITIES = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)


@dataclass(frozen=True, slots=True)
class Ask:
    """One statement; `none` says why it is not asked at all."""

    sql: str
    timeout_s: float
    none: str | None = None


@dataclass(frozen=True, slots=True)
class BruteForceEntry:
    """The detector's rule (on the clock: the time scale is in it), and what is said of what it finds."""

    rule: Rule
    severity: Severity
    action: str
    action_for: timedelta


@dataclass(frozen=True, slots=True)
class Security:
    """The whole file. `most` is how many attempts are read at once."""

    attempts: Ask
    most: int
    blocks: Ask
    brute_force: BruteForceEntry


def load(path: Path | None = None, *, time_scale: float = 1.0) -> Security:
    """The shipped file with `path` merged over it. Raises Misuse."""
    whole = _top(read(SHIPPED))
    if path is not None:
        whole = layered(whole, _top(read(path)), whole=("source",))
    attempts, blocks = whole.table("attempts"), whole.table("blocks")
    attempts.only(("source", "overlap", "timeout", "most"), "key of attempts")
    blocks.only(("source", "timeout"), "key of blocks")
    overlap_s = _at_most(attempts, "overlap", _MOST_OVERLAP_S) or _OVERLAP_S
    detectors = whole.table("detectors")
    detectors.only(("brute_force",), "detector")
    return Security(
        attempts=_ask(attempts, parameters=2),
        most=_whole(attempts, "most", 100, 50_000) or _ROWS,
        blocks=_ask(blocks, parameters=0),
        brute_force=_brute_force(detectors.table("brute_force"), overlap_s, time_scale),
    )


def _top(table: Table) -> Table:
    table.only(("attempts", "blocks", "detectors"), "section")
    return table


def _ask(table: Table, *, parameters: int) -> Ask:
    timeout_s = _at_most(table, "timeout", _MOST_TIMEOUT_S) or _TIMEOUT_S
    source = table.table("source")
    source.only(("sql", "none"), "kind of source")
    if len(source) != 1:
        table.fail("source", "exactly one of sql, none")
    if "none" in source:
        return Ask("", timeout_s, none=f"no source: {printable(source.text('none'), 150)}")
    sql = re.sub(r";\s*$", "", source.text("sql").strip())
    missing = [f"${i}" for i in range(1, parameters + 1) if f"${i}" not in sql]
    if missing:
        source.fail("sql", f"a statement with $1 and $2 ({' and '.join(missing)} missing)")
    return Ask(sql, timeout_s)


def _brute_force(table: Table, overlap_s: float, time_scale: float) -> BruteForceEntry:
    table.only(("threshold", "window", "again", "severity", "action", "for"), "key of a detector")
    window_s, again_s = span_s(table, "window"), span_s(table, "again")
    threshold = _whole(table, "threshold", 2, 10_000)
    if window_s is None or threshold is None or again_s is None:
        key = "window" if window_s is None else "threshold" if threshold is None else "again"
        table.fail(key, "a value: a detector can't do without")
    if window_s > again_s:
        table.fail("again", "at least as long as the window")
    return BruteForceEntry(
        Rule(
            threshold=threshold,
            window=timedelta(seconds=window_s / time_scale),
            again=timedelta(seconds=again_s / time_scale),
            overlap=timedelta(seconds=overlap_s),
        ),
        severity=Severity(table.choice("severity", [str(s) for s in _SEVERITIES])),
        action=table.choice("action", ACTIONS).replace("none", ""),
        action_for=timedelta(seconds=_at_most(table, "for", _MOST_FOR_S) or 86_400.0),
    )


def _at_most(table: Table, key: str, most_s: float) -> float | None:
    seconds = span_s(table, key)
    if seconds is not None and seconds > most_s:
        table.fail(key, f"at most {most_s:g}s")
    return seconds


def _whole(table: Table, key: str, least: int, most: int) -> int | None:
    value = table.number(key)
    if value is not None and not (value.is_integer() and least <= value <= most):
        table.fail(key, f"a whole number from {least} to {most}")
    return None if value is None else int(value)
