"""The door to the platform's finished orders: counted by the metric catalogue's statements, over any range of time.

It has a session of its own, so that a long count keeps no metric waiting.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from console.domain.errors import SourceFailed
from console.gateway.database import Database
from console.metrics.catalogue import Catalogue, Entry
from console.metrics.histogram import LogBuckets, Row
from console.metrics.sources import FromBuckets, Query
from console.sections import PlatformSettings, plain

# One slice holds every range there is: nothing is asked of it.
_ONE_SLICE_S = 1e9

Outcomes = Mapping[str, LogBuckets]
"""Orders by how they ended."""


class Orders:
    """Those of one platform. Nothing is asked before the first call."""

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._database = database
        self._queries = catalogue.queries
        self._entries = {entry.spec.name: entry for entry in catalogue.entries}

    @classmethod
    def of(cls, settings: PlatformSettings, catalogue: Catalogue) -> Orders:
        """With a session of the reading role; the secrets of `settings` have been read."""
        database = Database(settings.database_url, plain(settings.database_password), size=1)
        return cls(database, catalogue)

    def counts(self, name: str) -> tuple[Entry, FromBuckets] | None:
        """The entry of a metric that is counted from orders here, and its source; None for any other."""
        entry = self._entries.get(name)
        if entry is None or not self._database.configured or not isinstance(entry.source, FromBuckets):
            return None
        return entry, entry.source

    def query(self, source: FromBuckets) -> Query:
        """The statement that counts them."""
        return self._queries[source.query]

    async def now(self) -> datetime:
        """The platform's clock, in UTC. Raises SourceFailed."""
        rows = await self._database.fetch("SELECT clock_timestamp()")
        return rows[0][0]

    async def finished(self, query: Query, since: datetime, until: datetime) -> dict[str, LogBuckets]:
        """Those finished in (since, until] of the platform's clock. Raises SourceFailed."""
        found: dict[str, LogBuckets] = {}
        args = (since, until, _ONE_SLICE_S)
        for record in await self._database.fetch(query.sql, *args, timeout_s=query.timeout_s):
            row = bucket_row(record)
            found.setdefault(row.outcome, LogBuckets()).add(row.bucket, row.count, row.total_ms, row.under)
        return found

    async def close(self) -> None:
        """End its session."""
        await self._database.close()


def bucket_row(row: Any) -> Row:
    """One row of a bucket query. Raises SourceFailed for what is none."""
    try:
        bucket = row["bucket"]
        return Row(
            slice=int(row["slice"]),
            outcome=str(row["outcome"]),
            bucket=None if bucket is None else int(bucket),
            count=int(row["n"]),
            total_ms=None if row["total_ms"] is None else float(row["total_ms"]),
            under=int(row["under"]),
        )
    except KeyError as error:
        raise SourceFailed(f"the query gave no column {error.args[0]}") from None
    except (TypeError, ValueError, OverflowError):
        raise SourceFailed("the query gave a row that is no count of a bucket") from None
