"""Reads the queries and sources of catalogue entries. What is wrong is a Misuse with file and line."""

from __future__ import annotations

import re
from collections.abc import Mapping

from console.domain import duration
from console.domain.errors import Misuse
from console.located import Table
from console.metrics.expression import Expression
from console.metrics.scores import SCORES
from console.metrics.sources import (
    Figure,
    FromBuckets,
    FromHeaders,
    FromHttp,
    FromMetrics,
    FromProbe,
    FromReport,
    FromScrape,
    FromSql,
    Nowhere,
    Probed,
    Query,
    QueryKind,
    Source,
    Take,
    Term,
)

_QUERY = ("sql", "kind", "every", "timeout", "overlap", "window")
KINDS = ("buckets", "sql", "scrape", "http", "headers", "report", "probe", "derived", "none")
FOLDS = ("sum", "avg", "min", "max")
_MAX_TIMEOUT_S = 25.0


def span_s(table: Table, key: str) -> float | None:
    """A duration such as `5m` in seconds; None when the key is absent."""
    value = table.get(key)
    if value is None:
        return None
    found = duration.parse(value, milliseconds=True) if isinstance(value, str) else None
    if not found:
        table.fail(key, "a duration such as 30s, 5m or 24h")
    return found.total_seconds()


def window(table: Table, scale: float) -> float | None:
    """The entry's window in seconds of the clock: as declared, divided by the time scale."""
    declared = span_s(table, "window")
    return None if declared is None else declared / scale


def query(name: str, table: Table, scale: float) -> Query:
    """One entry of `queries`."""
    table.only(_QUERY, "key of a query")
    kind = QueryKind(table.choice("kind", list(QueryKind), QueryKind.ROW))
    since_midnight = table.get("window") == "day"
    found = Query(
        name=name,
        sql=table.text("sql").strip().rstrip(";"),
        kind=kind,
        every_s=span_s(table, "every"),
        timeout_s=_timeout(table),
        overlap_s=span_s(table, "overlap") or 60.0,
        window_s=None if since_midnight else window(table, scale),
        since_midnight=since_midnight,
    )
    wanted = {QueryKind.BUCKETS: ("$1", "$2", "$3"), QueryKind.DAY: ("$1", "$2"), QueryKind.ROW: ()}[kind]
    missing = [mark for mark in wanted if mark not in found.sql]
    if missing:
        table.fail("sql", f"a statement with {', '.join(wanted)} ({' and '.join(missing)} missing)")
    if kind is QueryKind.ROW and found.takes_window and found.window_s is None and not since_midnight:
        table.fail("window", "a window such as 24h, or day, since the statement asks for it with $1")
    if kind is QueryKind.ROW and found.takes_end and not found.takes_window:
        table.fail("sql", "$1 (the window in seconds) wherever $2 (its end) is used")
    return found


def _timeout(table: Table) -> float:
    seconds = span_s(table, "timeout") or 3.0
    if seconds > _MAX_TIMEOUT_S:
        table.fail("timeout", f"at most {_MAX_TIMEOUT_S:g}s")
    return seconds


def source(table: Table, name: str, queries: Mapping[str, Query], scale: float) -> tuple[Source, str, str]:
    """The source of a metric, its kind, and how a person would look it up."""
    found = table.table("source")
    if len(found) != 1:
        table.fail("source", f"exactly one of {', '.join(KINDS)}")
    found.only(KINDS, "kind of source")
    kind = next(iter(found))
    match kind:
        case "buckets":
            return _buckets(found.table(kind), queries)
        case "sql":
            return _sql(found.table(kind), queries)
        case "scrape":
            return _scrape(found.table(kind))
        case "http":
            return _http(found.table(kind))
        case "headers":
            return _headers(found.table(kind))
        case "report":
            return _report(found.table(kind))
        case "probe":
            return _probe(found.table(kind))
        case "derived":
            return _derived(found)
    return Nowhere(f"no source: {found.text('none')}"), "derived", found.text("none")


def _query_of(table: Table, queries: Mapping[str, Query], *kinds: QueryKind) -> Query:
    name = table.choice("query", [q.name for q in queries.values() if q.kind in kinds])
    return queries[name]


def _buckets(table: Table, queries: Mapping[str, Query]) -> tuple[Source, str, str]:
    table.only(("query", "figure", "of", "q", "per"), "key of a buckets source")
    asked = _query_of(table, queries, QueryKind.BUCKETS)
    figure = Figure(table.choice("figure", list(Figure)))
    q = table.number("q")
    if figure is Figure.QUANTILE and (q is None or not 0 <= q <= 1):
        table.fail("q", "a quantile from 0 to 1")
    of = table.text("of") if "of" in table else None
    if figure in (Figure.SHARE, Figure.UNDER) and of is None:
        table.fail("of", "the outcome whose share is meant")
    found = FromBuckets(asked.name, figure, of, 0.5 if q is None else q, span_s(table, "per") or 1.0)
    return found, "buckets", asked.sql


def _sql(table: Table, queries: Mapping[str, Query]) -> tuple[Source, str, str]:
    table.only(("query", "value"), "key of an sql source")
    asked = _query_of(table, queries, QueryKind.ROW, QueryKind.DAY)
    value = _expression(table, "value")
    return FromSql(asked.name, value), "sql", f"{value.text} of\n{asked.sql}"


def _scrape(table: Table) -> tuple[Source, str, str]:
    table.only(("terms", "value"), "key of a scrape source")
    terms = {}
    for name in table.table("terms"):
        term = table.table("terms").table(name)
        term.only(("sample", "labels", "take", "fold"), "key of a term")
        labels = term.labels("labels")
        for label, wanted in labels.items():
            if wanted.startswith("~"):
                _check_pattern(term.table("labels"), label, wanted[1:])
        take = Take(term.choice("take", list(Take), Take.VALUE))
        fold = term.choice("fold", FOLDS, "sum")
        if take is not Take.VALUE and fold != "sum":
            term.fail("fold", "sum, since counters can only be added up")
        terms[name] = Term(term.text("sample"), labels, take, fold)
    value = _expression(table, "value")
    unknown = sorted(value.names - set(terms))
    if unknown:
        table.fail("value", f"an expression over {', '.join(terms)} (there is no {unknown[0]})")
    lines = [f"{name} = {_shown(term)}" for name, term in terms.items()]
    return FromScrape(terms, value), "scrape", "\n".join([value.text, *lines])


def _check_pattern(table: Table, label: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error:
        table.fail(label, "a regular expression after ~")


def _shown(term: Term) -> str:
    labels = ", ".join(
        f'{k}=~"{v[1:]}"' if v.startswith("~") else f'{k}="{v}"' for k, v in term.labels.items()
    )
    place = f"{term.sample}{{{labels}}}" if labels else term.sample
    taken = {Take.VALUE: "", Take.INCREASE: "increase of ", Take.RATE: "rate of "}[term.take]
    return f"{taken}{term.fold} of {place}"


def _http(table: Table) -> tuple[Source, str, str]:
    table.only(("path", "pointer", "accept", "every", "factor"), "key of an http source")
    path, pointer = table.text("path"), table.text("pointer")
    if not path.startswith("/"):
        table.fail("path", "a path that starts with /")
    if not pointer.startswith("/"):
        table.fail("pointer", "a JSON pointer (RFC 6901) that starts with /")
    accept = table.get("accept", [200])
    if not isinstance(accept, list) or not all(isinstance(a, int) and 100 <= a <= 599 for a in accept):
        table.fail("accept", "a list of HTTP statuses")
    factor = table.number("factor")
    found = FromHttp(path, pointer, tuple(accept), span_s(table, "every"), 1.0 if factor is None else factor)
    return found, "http", f"GET {path} -> {pointer}"


def _headers(table: Table) -> tuple[Source, str, str]:
    table.only(("path", "names", "every"), "key of a headers source")
    path, names = table.text("path"), table.get("names")
    if not path.startswith("/"):
        table.fail("path", "a path that starts with /")
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        table.fail("names", "a list of header names")
    text = f"GET {path} -> how many of {', '.join(names)} are missing"
    return FromHeaders(path, tuple(names), span_s(table, "every")), "http", text


def _report(table: Table) -> tuple[Source, str, str]:
    table.only(("pointer",), "key of a report source")
    pointer = table.text("pointer")
    if not pointer.startswith("/"):
        table.fail("pointer", "a JSON pointer (RFC 6901) that starts with /")
    return FromReport(pointer), "report", f"platform.vulnerability_report -> {pointer}"


def _probe(table: Table) -> tuple[Source, str, str]:
    table.only(("component", "what", "value"), "key of a probe source")
    what = Probed(table.choice("what", list(Probed)))
    component = table.text("component", "" if what is Probed.NETWORK else None)
    value = None
    if what is Probed.INFO:
        if component != "cache":
            table.fail("component", "cache, the only one with INFO")
        value = _expression(table, "value")
    text = {
        Probed.STATUS: f"probe of {component}: status",
        Probed.LATENCY: f"probe of {component}: time to the answer",
        Probed.AVAILABILITY: f"probe of {component}: ticks that were not down / ticks",
        Probed.COVERAGE: f"probe of {component}: ticks with data / ticks of the window",
        Probed.NETWORK: "median time of a TCP connect to each of the platform's hosts",
        Probed.INFO: f"{value.text if value else ''} of the cache's INFO",
    }[what]
    return FromProbe(component, what, value), "probe", text


def _derived(table: Table) -> tuple[Source, str, str]:
    if isinstance(table["derived"], str):
        value = _expression(table, "derived")
        return FromMetrics(value=value, needs=tuple(sorted(value.names))), "derived", value.text
    inner = table.table("derived")
    inner.only(("score",), "key of a derived source")
    score = inner.choice("score", SCORES)
    return (
        FromMetrics(score=score, needs=SCORES[score].metrics),
        "derived",
        f"score of {', '.join(SCORES[score].metrics)}",
    )


def _expression(table: Table, key: str) -> Expression:
    text = table.text(key)
    try:
        return Expression(text)
    except Misuse as error:
        raise Misuse(f"{table.place(key)}: {key}: {error}") from None
