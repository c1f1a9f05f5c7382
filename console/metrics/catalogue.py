"""The metric catalogue: the shipped metrics.yaml, with an installation's own file merged over it entry by entry.

In an own file a metric or query of a shipped name changes only the keys it gives (a `source` as a whole), a new
name adds an entry. Everything is checked when it is read; what is wrong is a Misuse with file and line.
"""

from __future__ import annotations

import graphlib
import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from console.domain.errors import Misuse
from console.domain.metric import Direction, MetricSpec
from console.domain.text import printable
from console.located import Table, layered, read
from console.metrics import reading
from console.metrics.sources import (
    FromBuckets,
    FromMetrics,
    FromProbe,
    FromSql,
    Probed,
    Query,
    QueryKind,
    Source,
    origin,
)

SHIPPED = Path(__file__).resolve().parent.parent / "defaults" / "metrics.yaml"
UNITS = ("ms", "s", "%", "/s", "/min", "count", "bytes", "score", "money", "ratio", "state")
_TOP = ("time_zone", "queries", "metrics")
_METRIC = (
    "title", "unit", "group", "help", "window", "decimals", "warning", "critical", "direction", "source", "check",
    "empty", "event",
)  # fmt: skip
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One metric: its outward face, its source, and the reason to show when the source has nothing to say."""

    spec: MetricSpec
    source: Source
    empty: str = "no data"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All entries in their order, and the queries that they share. `time_zone` decides where a day begins."""

    entries: tuple[Entry, ...]
    queries: Mapping[str, Query]
    time_zone: zoneinfo.ZoneInfo
    derived: tuple[str, ...]
    """Names of the derived metrics, each after those it needs."""

    @property
    def specs(self) -> tuple[MetricSpec, ...]:
        """The outward face of every metric, in the catalogue's order."""
        return tuple(entry.spec for entry in self.entries)


def load(path: Path | None = None, *, time_scale: float = 1.0) -> Catalogue:
    """The shipped catalogue with `path` merged over it; windows are divided by `time_scale`. Raises Misuse."""
    return _build(_layers(path), time_scale)


def _layers(path: Path | None) -> Table:
    shipped = read(SHIPPED)
    _check_top(shipped)
    if path is None:
        return shipped
    own = read(path)
    _check_top(own)
    for section in ("queries", "metrics"):
        above = own.get(section)
        if above is None:
            own.pop(section, None)
        elif not isinstance(above, Table):
            own.fail(section, "a mapping of names")
        else:
            for name in above:
                above.table(name)
    return layered(shipped, own, whole=("source",))


def _check_top(table: Table) -> None:
    table.only(_TOP, "section")
    for section in ("queries", "metrics"):
        if section not in table:
            continue
        for name in table.table(section):
            if not _NAME.fullmatch(name):
                place = table.table(section).place(name)
                raise Misuse(f"{place}: expected a name of a-z, 0-9 and _, not {printable(name, 60)!r}")


def _build(whole: Table, scale: float) -> Catalogue:
    queries = {name: reading.query(name, table, scale) for name, table in _tables(whole, "queries")}
    tables = dict(_tables(whole, "metrics"))
    entries = tuple(_entry(name, table, queries, scale) for name, table in tables.items())
    return Catalogue(
        entries=entries,
        queries=MappingProxyType(
            {n: q for n, q in queries.items() if any(_uses(e.source, n) for e in entries)}
        ),
        time_zone=_zone(whole),
        derived=_order(entries, tables),
    )


def _tables(whole: Table, section: str) -> list[tuple[str, Table]]:
    found = whole.table(section)
    return [(name, found.table(name)) for name in found]


def _uses(source: Source, query: str) -> bool:
    return isinstance(source, FromBuckets | FromSql) and source.query == query


def _entry(name: str, table: Table, queries: dict[str, Query], scale: float) -> Entry:
    table.only(_METRIC, "key of a metric")
    source, kind, text = reading.source(table, name, queries, scale)
    window_s = reading.window(table, scale)
    if window_s is None and isinstance(source, FromSql):
        window_s = queries[source.query].window_s
    over_window = isinstance(source, FromBuckets) or (
        isinstance(source, FromProbe) and source.what in (Probed.AVAILABILITY, Probed.COVERAGE)
    )
    if over_window and window_s is None:
        table.fail("window", "a window such as 5m (the source counts over one)")
    decimals = table.number("decimals") or 0
    if not 0 <= decimals <= 6 or decimals != int(decimals):
        table.fail("decimals", "a whole number from 0 to 6")
    spec = MetricSpec(
        name=name,
        title=table.text("title"),
        unit=table.choice("unit", UNITS),
        group=table.text("group"),
        source_kind=kind,
        source=_by_hand(table, window_s) or text,
        help=" ".join(table.text("help", "").split()),
        window_s=window_s,
        decimals=int(decimals),
        warning=table.number("warning"),
        critical=table.number("critical"),
        direction=Direction(table.choice("direction", list(Direction), Direction.HIGH)),
        origin=origin(source),
        event=table.get("event") is True,
    )
    _check_thresholds(table, spec)
    return Entry(spec, source, table.text("empty", _nothing(source, queries)))


def _nothing(source: Source, queries: dict[str, Query]) -> str:
    if isinstance(source, FromBuckets):
        return "nothing finished in the window"
    if isinstance(source, FromSql) and queries[source.query].kind is QueryKind.DAY:
        return "nothing yet today"
    return "no data"


def _by_hand(table: Table, window_s: float | None) -> str | None:
    """The statement for checking the figure by hand, its window filled in."""
    if "check" not in table:
        return None
    return table.text("check").strip().replace("{window}", f"{window_s or 0:g} seconds")


def _check_thresholds(table: Table, spec: MetricSpec) -> None:
    if spec.warning is None or spec.critical is None:
        return
    worse = (
        spec.critical >= spec.warning if spec.direction is Direction.HIGH else spec.critical <= spec.warning
    )
    if not worse:
        side = "above" if spec.direction is Direction.HIGH else "below"
        # The key that an own file gave is the one to mend.
        given = [key for key in ("critical", "warning") if table.files.get(key) not in (None, SHIPPED)]
        numbers = f"warning {spec.warning:g}, critical {spec.critical:g}"
        table.fail(
            (*given, "critical")[0], f"critical {side} warning for direction {spec.direction} ({numbers})"
        )


def _zone(whole: Table) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(whole.text("time_zone", "UTC"))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        whole.fail("time_zone", "a time zone such as UTC or Europe/London")


def _order(entries: tuple[Entry, ...], tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Derived metrics, those they need first. Misuse for unknown names and for circles."""
    needs = {e.spec.name: e.source.needs for e in entries if isinstance(e.source, FromMetrics)}
    for name, wanted in needs.items():
        for other in wanted:
            if other not in tables:
                tables[name].fail(
                    "source", f"metrics of this catalogue in it (there is no {printable(other, 60)})"
                )
    try:
        order = graphlib.TopologicalSorter(needs).static_order()
        return tuple(name for name in order if name in needs)
    except graphlib.CycleError as error:
        circle = error.args[1]
        tables[circle[0]].fail("source", f"no circle ({' <- '.join(circle)})")
