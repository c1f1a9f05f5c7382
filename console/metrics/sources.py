"""Where a metric's value comes from: the collection side of a catalogue entry, beside its MetricSpec. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from console.metrics.expression import Expression


class QueryKind(StrEnum):
    """How a query is run.

    ROW: its first row, each tick or every `every_s`; $1 is the window in seconds, $2 the window's end.
    DAY: sums since midnight. It gets ($1, $2] as a range of time and returns one row of sums over it; the
    collector adds ranges up, so that no tick reads the whole day. $3 is when the day began.
    BUCKETS: counts by slice, outcome and logarithmic bucket over ($1, $2]; $3 is a slice's length in seconds.
    """

    ROW = "row"
    DAY = "day"
    BUCKETS = "buckets"


@dataclass(frozen=True, slots=True)
class Query:
    """One statement that serves one metric or many. `overlap_s` is how far back late rows are looked for.

    The window of one that is `since_midnight` is the day so far.
    """

    name: str
    sql: str
    kind: QueryKind = QueryKind.ROW
    every_s: float | None = None
    timeout_s: float = 3.0
    overlap_s: float = 60.0
    window_s: float | None = None
    since_midnight: bool = False

    @property
    def takes_day(self) -> bool:
        """Whether a DAY statement asks for the day's beginning."""
        return "$3" in self.sql

    @property
    def takes_end(self) -> bool:
        """Whether the statement asks for the window's end."""
        return "$2" in self.sql

    @property
    def takes_window(self) -> bool:
        """Whether the statement asks for the window's length."""
        return "$1" in self.sql


class Figure(StrEnum):
    """What is read off a window of buckets. SHARE: of all outcomes, in %; UNDER: likewise, those under the limit."""

    QUANTILE = "quantile"
    MEAN = "mean"
    SHARE = "share"
    UNDER = "under"
    RATE = "rate"


@dataclass(frozen=True, slots=True)
class FromBuckets:
    """`of`: the outcome that counts (None: all). `q` is for quantiles, `per_s` the rate's unit in seconds."""

    query: str
    figure: Figure
    of: str | None = None
    q: float = 0.5
    per_s: float = 1.0


@dataclass(frozen=True, slots=True)
class FromSql:
    """An expression over the columns of a query's row."""

    query: str
    value: Expression


class Take(StrEnum):
    """VALUE: the present value. INCREASE: how much a counter rose over the window. RATE: that per second."""

    VALUE = "value"
    INCREASE = "increase"
    RATE = "rate"


@dataclass(frozen=True, slots=True)
class Term:
    """Matching samples of the scrape, folded into one number."""

    sample: str
    labels: Mapping[str, str] = field(default_factory=dict)
    take: Take = Take.VALUE
    fold: str = "sum"


@dataclass(frozen=True, slots=True)
class FromScrape:
    """An expression over named terms."""

    terms: Mapping[str, Term]
    value: Expression


@dataclass(frozen=True, slots=True)
class FromHttp:
    """A number in a JSON answer: GET base_url + path, RFC 6901 pointer. `accept` are the good statuses."""

    path: str
    pointer: str
    accept: tuple[int, ...] = (200,)
    every_s: float | None = None
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class FromHeaders:
    """How many of the headers `names` an answer lacks: GET base_url + path."""

    path: str
    names: tuple[str, ...]
    every_s: float | None = None


@dataclass(frozen=True, slots=True)
class FromReport:
    """A number in the JSON report file that `platform.vulnerability_report` names; RFC 6901 pointer."""

    pointer: str


class Probed(StrEnum):
    """What of the probes is read."""

    STATUS = "status"
    LATENCY = "latency_ms"
    AVAILABILITY = "availability"
    COVERAGE = "coverage"
    NETWORK = "network"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class FromProbe:
    """A component's probe. AVAILABILITY: share of its ticks in the window that were not down, COVERAGE: share of the
    window that has ticks at all. INFO: `value` over the fields of the cache's INFO."""

    component: str
    what: Probed
    value: Expression | None = None


@dataclass(frozen=True, slots=True)
class FromMetrics:
    """An expression over other metrics, or a named score of them."""

    value: Expression | None = None
    score: str | None = None
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Nowhere:
    """This installation has no source for the metric; `reason` says what would be one."""

    reason: str


Source = (
    FromBuckets
    | FromSql
    | FromScrape
    | FromHttp
    | FromHeaders
    | FromReport
    | FromProbe
    | FromMetrics
    | Nowhere
)


def origin(source: Source) -> str:
    """What a reading from this source depends on, as MetricSpec.origin has it."""
    match source:
        case FromBuckets() | FromSql():
            return f"sql:{source.query}"
        case FromScrape():
            return "scrape"
        case FromHttp() | FromHeaders():
            return f"http:{source.path}"
        case FromReport():
            return "report"
        case FromProbe(what=Probed.INFO):
            return "cache"
        case FromProbe(what=Probed.NETWORK):
            return "network"
        case FromProbe():
            return f"probe:{source.component}"
        case FromMetrics():
            return "derived"
    return ""
