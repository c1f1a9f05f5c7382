"""Collects every metric of the catalogue, each source concurrently and apart: one that fails disturbs no other."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from console.domain.errors import SourceFailed
from console.domain.health import Check, CheckPoint, Status
from console.domain.metric import MetricValue
from console.domain.text import printable
from console.gateway import network
from console.gateway.platform import Platform
from console.gateway.reasons import NoSource, NoValue
from console.gateway.scrape import Samples
from console.metrics.catalogue import Catalogue, Entry
from console.metrics.histogram import LogBuckets, SlidingWindow
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
    Take,
    Term,
)
from console.monitors import verdicts
from console.monitors.counters import Counter
from console.monitors.database_reader import DatabaseReader, slices
from console.monitors.reading import Answer, number, pointer
from console.monitors.running import Running

_TIMEOUT_S = 3.0
_CONNECT_TIMEOUT_S = 1.0
_STATES = {Status.OK: "up", Status.DEGRADED: "degraded", Status.DOWN: "down", Status.UNKNOWN: "unknown"}
_FOLDS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "sum": sum,
    "avg": statistics.fmean,
    "min": min,
    "max": max,
}
_SCRAPE, _INFO, _NETWORK = "scrape", "info", "network"
_REPORT = "vulnerability report"
_REPORT_EVERY_S = 60.0
_REPORT_BYTES = 20_000_000


class Collector:
    """One agent's collection. It remembers windows, counters and ticks, so each term of leading has one of its own."""

    def __init__(
        self, platform: Platform, catalogue: Catalogue, *, tick_s: float, past: Iterable[CheckPoint] = ()
    ) -> None:
        """`past`: the platform component's ticks before now, oldest first, for the availability."""
        self._platform = platform
        self._catalogue = catalogue
        self._tick_s = tick_s
        # The other half of a tick belongs to the probes.
        self._patience_s = tick_s * 0.4
        self._database = DatabaseReader(platform.database, catalogue, tick_s=tick_s)
        self._running: Running[str, Answer] = Running()
        self._answers: dict[str, Answer] = {}
        self._counters: dict[tuple[str, str], Counter] = {}
        self._ticks: dict[str, deque[tuple[datetime, bool]]] = {}
        self._jobs = self._needed()
        known = [(p.at, p.status) for p in past if p.status not in (None, Status.UNKNOWN)]
        self._ticks["platform"] = deque((at, status is not Status.DOWN) for at, status in known)

    async def collect(self, now: datetime, checks: Sequence[Check]) -> list[MetricValue]:
        """One value per metric, in the catalogue's order, at most 0.4 ticks later. Raises nothing."""
        for check in checks:
            self._remember(check, now)
        database, others = await asyncio.gather(
            self._database.read(now, patience_s=self._patience_s), self._others(now)
        )
        answers = database | others
        seen = {check.component: check for check in checks}
        found: dict[str, MetricValue] = {}
        for entry in self._catalogue.entries:
            if not isinstance(entry.source, FromMetrics):
                found[entry.spec.name] = self._value(entry, now, answers, seen)
        by_name = {entry.spec.name: entry for entry in self._catalogue.entries}
        for name in self._catalogue.derived:
            found[name] = _derived(by_name[name], now, found)
        return [found[entry.spec.name] for entry in self._catalogue.entries]

    def close(self) -> None:
        """Give up what still runs."""
        self._running.cancel()
        self._database.cancel()

    # --- asking -------------------------------------------------------------------------------------------------

    def _needed(self) -> dict[str, tuple[Callable[[], Awaitable[object]], float | None]]:
        """What has to be asked besides the database: the question and how often."""
        jobs: dict[str, tuple[Callable[[], Awaitable[object]], float | None]] = {}
        for entry in self._catalogue.entries:
            match entry.source:
                case FromScrape():
                    jobs[_SCRAPE] = (lambda: self._platform.scrape.samples(timeout_s=_TIMEOUT_S), None)
                case FromProbe(what=Probed.INFO):
                    jobs[_INFO] = (lambda: self._platform.cache.info(timeout_s=_TIMEOUT_S), None)
                case FromProbe(what=Probed.NETWORK):
                    jobs[_NETWORK] = (self._connect_ms, None)
                case FromReport():
                    jobs[_REPORT] = (self._read_report, _REPORT_EVERY_S)
                case FromHttp() as source:
                    jobs[_document(source)] = (lambda source=source: self._get(source), source.every_s)
                case FromHeaders() as source:
                    jobs[_headers(source)] = (lambda source=source: self._headers(source), source.every_s)
        return jobs

    async def _others(self, now: datetime) -> dict[str, Answer]:
        due: dict[str, Callable[[], Awaitable[Answer]]] = {}
        for name, (ask, every_s) in self._jobs.items():
            last = self._answers.get(name)
            kept = every_s is not None and last is not None and last.reason is None
            if not kept or (now - last.at).total_seconds() >= (every_s or 0):  # type: ignore[union-attr]
                due[name] = lambda ask=ask: _asked(ask, now)
        ended = await self._running.run(due, self._patience_s)
        self._answers |= ended
        if _SCRAPE in ended:
            self._count(ended[_SCRAPE])
        slow = f"no answer for {self._patience_s:.1f} s so far"
        return self._answers | {
            name: Answer(now, reason=slow) for name in due if name in self._running and name not in ended
        }

    async def _get(self, source: FromHttp) -> object:
        base = self._platform.settings.base_url
        if base is None:
            raise NoSource("no source: platform.base_url is not set")
        answer = await self._platform.http.request("GET", base + source.path, timeout_s=_TIMEOUT_S)
        if answer.status == 404:
            raise NoSource(f"no source: {source.path} is not found (HTTP 404)")
        if answer.status not in source.accept:
            raise SourceFailed(answer.summary())
        return answer.json()

    async def _headers(self, source: FromHeaders) -> list[str]:
        """The wanted headers that an answer lacks."""
        base = self._platform.settings.base_url
        if base is None:
            raise NoSource("no source: platform.base_url is not set")
        answer = await self._platform.http.request("GET", base + source.path, timeout_s=_TIMEOUT_S)
        return [name for name in source.names if name.lower() not in answer.headers]

    async def _read_report(self) -> object:
        file = self._platform.settings.vulnerability_report
        if file is None:
            raise NoSource(
                "no source: platform.vulnerability_report is not set (the output of npm audit --json)"
            )

        def read() -> bytes:
            with file.open("rb") as opened:
                return opened.read(_REPORT_BYTES + 1)

        try:
            text = await asyncio.to_thread(read)
        except OSError as error:
            raise SourceFailed(f"{file.name} can't be read: {error.strerror}") from None
        if len(text) > _REPORT_BYTES:
            raise SourceFailed(f"{file.name} is over {_REPORT_BYTES // 1_000_000} MB")
        try:
            return json.loads(text)
        except ValueError as error:
            raise SourceFailed(f"{file.name} is not JSON: {printable(error, 80)}") from None

    async def _connect_ms(self) -> float:
        places = self._platform.endpoints
        if not places:
            raise NoSource("no source: no host of the platform is set")
        asked = (network.connect_ms(host, port, timeout_s=_CONNECT_TIMEOUT_S) for host, port in places)
        results = await asyncio.gather(*asked, return_exceptions=True)
        good = [result for result in results if isinstance(result, float)]
        if not good:
            raise SourceFailed(f"no host answers: {printable(results[0], 80)}")
        return statistics.median(good)

    def _count(self, scraped: Answer) -> None:
        """Take a new scrape into every counter. One with a value that is no number starts again."""
        if not isinstance(scraped.values, Samples):
            return
        at = time.monotonic()
        for entry in self._catalogue.entries:
            if not isinstance(entry.source, FromScrape):
                continue
            for name, term in entry.source.terms.items():
                if term.take is Take.VALUE:
                    continue
                key = entry.spec.name, name
                counter = self._counters.setdefault(key, Counter(entry.spec.window_s))
                try:
                    counter.update(at, scraped.values.find(term.sample, term.labels))
                except SourceFailed:
                    del self._counters[key]

    def _remember(self, check: Check, now: datetime) -> None:
        """Keep the tick of a component whose availability is asked for."""
        windows = [
            entry.spec.window_s or 0
            for entry in self._catalogue.entries
            if isinstance(entry.source, FromProbe)
            and entry.source.what in (Probed.AVAILABILITY, Probed.COVERAGE)
            and entry.source.component == check.component
        ]
        if not windows or check.status is Status.UNKNOWN:
            return
        ticks = self._ticks.setdefault(check.component, deque())
        ticks.append((now, check.status is not Status.DOWN))
        while ticks and ticks[0][0] <= now - timedelta(seconds=max(windows)):
            ticks.popleft()

    # --- reading off --------------------------------------------------------------------------------------------

    def _value(
        self, entry: Entry, now: datetime, answers: Mapping[str, Answer], checks: Mapping[str, Check]
    ) -> MetricValue:
        at = now
        try:
            match entry.source:
                case FromBuckets() as source:
                    answer = _good(answers[source.query])
                    return _made(entry, answer.at, self._figure(entry, source, answer.values))
                case FromSql() as source:
                    answer = _good(answers[source.query])
                    at = answer.at
                    columns = {
                        n: number(v, f"column {n}")
                        for n, v in answer.values.items()
                        if n in source.value.names
                    }
                    missing = sorted(source.value.names - set(columns))
                    if missing:
                        raise SourceFailed(f"the query gave no column {missing[0]}")
                    return _made(entry, at, source.value.value(columns))
                case FromScrape() as source:
                    answer = _good(answers[_SCRAPE])
                    terms = {n: self._term(entry, n, t, answer.values) for n, t in source.terms.items()}
                    return _made(entry, answer.at, source.value.value(terms))
                case FromReport() as source:
                    answer = _good(answers[_REPORT])
                    return _made(
                        entry, answer.at, number(pointer(answer.values, source.pointer), source.pointer)
                    )
                case FromHttp() as source:
                    answer = _good(answers[_document(source)])
                    found = number(pointer(answer.values, source.pointer), source.pointer)
                    return _made(entry, answer.at, None if found is None else found * source.factor)
                case FromHeaders() as source:
                    answer = _good(answers[_headers(source)])
                    return _made(entry, answer.at, float(len(answer.values)))
                case FromProbe() as source:
                    return _made(entry, now, self._probed(entry, source, answers, checks))
                case Nowhere(reason=reason):
                    raise NoSource(reason)
        except SourceFailed as error:
            failed = not isinstance(error, NoSource | NoValue)
            return MetricValue(entry.spec.name, None, at, reason=printable(error, 200), failed=failed)
        raise AssertionError(f"{entry.spec.name}: unknown source")

    def _figure(self, entry: Entry, source: FromBuckets, window: SlidingWindow) -> float | None:
        length = slices(entry.spec.window_s or 0, self._database.slice_s)
        outcomes = window.outcomes(length)
        total = sum(buckets.count for buckets in outcomes.values())
        if source.of is not None:
            chosen = outcomes.get(source.of, LogBuckets())
        else:
            chosen = LogBuckets()
            for buckets in outcomes.values():
                chosen.merge(buckets)
        match source.figure:
            case Figure.QUANTILE:
                return chosen.quantile(source.q)
            case Figure.MEAN:
                return chosen.mean()
            case Figure.SHARE:
                return 100 * chosen.count / total if total else None
            case Figure.UNDER:
                return 100 * chosen.under / total if total else None
            case Figure.RATE:
                return chosen.count / (length * self._database.slice_s) * source.per_s

    def _term(self, entry: Entry, name: str, term: Term, samples: Samples) -> float | None:
        if term.take is Take.VALUE:
            values = [
                number(sample.value, f"{term.sample}") or 0.0
                for sample in samples.find(term.sample, term.labels)
            ]
            if not values:
                raise SourceFailed(f"no sample {_named(term)}")
            return _FOLDS[term.fold](values)
        if not samples.find(term.sample, {}):
            raise SourceFailed(f"no sample {term.sample}")
        counter = self._counters.get((entry.spec.name, name))
        if counter is None:
            raise SourceFailed(f"{term.sample} is not finite")
        value = counter.increase() if term.take is Take.INCREASE else counter.rate()
        if value is None:
            raise NoValue("needs two scrapes")
        return value

    def _probed(
        self, entry: Entry, source: FromProbe, answers: Mapping[str, Answer], checks: Mapping[str, Check]
    ) -> float | str | None:
        if source.what is Probed.NETWORK:
            return number(_good(answers[_NETWORK]).values, "the network's latency")
        if source.what is Probed.INFO:
            info: Mapping[str, str] = _good(answers[_INFO]).values
            assert source.value is not None  # noqa: S101 - the catalogue's reader makes sure
            return source.value.value({name: verdicts.number(info.get(name)) for name in source.value.names})
        check = checks.get(source.component)
        if check is None:
            raise NoSource(f"no source: {source.component} is not configured")
        if source.what is Probed.STATUS:
            return _STATES[check.status]
        if source.what is Probed.LATENCY:
            if check.latency_ms is None:
                raise NoValue(check.detail or "no answer")
            return number(check.latency_ms, "latency")
        ticks = self._ticks.get(source.component, ())
        if source.what is Probed.COVERAGE:
            return min(100 * len(ticks) * self._tick_s / (entry.spec.window_s or self._tick_s), 100.0)
        return 100 * sum(up for _, up in ticks) / len(ticks) if ticks else None


async def _asked(ask: Callable[[], Awaitable[object]], now: datetime) -> Answer:
    try:
        return Answer(now, await ask())
    except SourceFailed as error:
        return Answer(now, reason=str(error), absent=isinstance(error, NoSource | NoValue))
    except Exception as error:
        # A fault of ours, met by an answer nobody thought of: it costs these metrics, not the tick.
        return Answer(now, reason=f"could not be read: {printable(repr(error), 120)}")


def _good(answer: Answer) -> Answer:
    if answer.reason is not None:
        raise (NoValue if answer.absent else SourceFailed)(answer.reason)
    return answer


def _document(source: FromHttp) -> str:
    return f"GET {source.path} {source.accept} {source.every_s}"


def _headers(source: FromHeaders) -> str:
    return f"headers of {source.path}: {source.names}"


def _named(term: Term) -> str:
    labels = ", ".join(f"{name}={value}" for name, value in term.labels.items())
    return f"{term.sample}{{{labels}}}" if labels else term.sample


def _made(entry: Entry, at: datetime, value: float | str | None) -> MetricValue:
    if value is None:
        return MetricValue(entry.spec.name, None, at, reason=entry.empty)
    return MetricValue(entry.spec.name, value, at, entry.spec.level(value))


def _derived(entry: Entry, now: datetime, found: Mapping[str, MetricValue]) -> MetricValue:
    """The value from other metrics; as old as the oldest of them."""
    source = entry.source
    assert isinstance(source, FromMetrics)  # noqa: S101 - only these are in the catalogue's order of derived ones
    values = {name: v if isinstance(v := found[name].value, int | float) else None for name in source.needs}
    at = min((found[name].at for name, value in values.items() if value is not None), default=now)
    if source.score is not None:
        return _made(entry, at, SCORES[source.score].function(values))
    for name, value in values.items():
        if value is None:
            reason = f"needs {name}: {found[name].reason or 'it is no number'}"
            return MetricValue(entry.spec.name, None, now, reason=printable(reason, 200))
    assert source.value is not None  # noqa: S101
    return _made(entry, at, source.value.value(values))
