"""Windows over ticks, in one statement each: means per bucket of metrics, and the past of a component's health.

Bucket i of n covers [start + i/n, start + (i+1)/n) of the window, computed in whole microseconds.

A window of few ticks is read completely. One of many (a day of ticks each 2 s) would take half a second, so it is
read as a sample: each bucket is cut into equal slots, and the first tick of each slot stands for it. Live and
thinned ticks are read as one, and a name is found in whatever catalogue a tick was written with.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TypeVar

T = TypeVar("T")

# Up to this many ticks every one is read: an hour of ticks each 2 s, a day of ticks each 30 s.
_COMPLETE = 3000
_SLOTS_PER_BUCKET = 15
LIMITS = (_COMPLETE, _SLOTS_PER_BUCKET)

# $1 names, $2 start, $3 end, $4 points, $5 complete up to, $6 slots per bucket.
# Materialized, because the bucket of a tick would else be computed again for each name.
_TICKS = """
    few AS MATERIALIZED (
        SELECT count(*) <= $5 AS yes FROM (
            SELECT at FROM console.tick WHERE at >= $2 AND at < $3
            UNION ALL
            SELECT at FROM console.tick_thin WHERE at >= $2 AND at < $3
            LIMIT $5 + 1
        ) AS counted
    ),
    picked AS (
        SELECT at, catalogue_id, numbers, texts FROM console.tick
        WHERE at >= $2 AND at < $3 AND (SELECT yes FROM few)
        UNION ALL
        SELECT at, catalogue_id, numbers, texts FROM console.tick_thin
        WHERE at >= $2 AND at < $3 AND (SELECT yes FROM few)
        UNION ALL
        SELECT t.at, t.catalogue_id, t.numbers, t.texts
        FROM generate_series(0, $4::int * $6::int - 1) AS slot,
            LATERAL (SELECT $2 + ($3 - $2) * (slot::float8 / ($4 * $6)) AS from_at,
                            $2 + ($3 - $2) * ((slot + 1)::float8 / ($4 * $6)) AS to_at) AS s,
            LATERAL (
                (SELECT * FROM console.tick WHERE at >= s.from_at AND at < s.to_at ORDER BY at LIMIT 1)
                UNION ALL
                (SELECT * FROM console.tick_thin WHERE at >= s.from_at AND at < s.to_at ORDER BY at LIMIT 1)
                LIMIT 1
            ) AS t
        WHERE NOT (SELECT yes FROM few)
    ),
    ticks AS MATERIALIZED (
        SELECT catalogue_id, numbers, texts,
               ((extract(epoch FROM at - $2) * 1000000)::bigint * $4
                   / (extract(epoch FROM $3 - $2) * 1000000)::bigint)::int AS bucket
        FROM picked
    ),
    places AS MATERIALIZED (
        SELECT id AS catalogue_id,
               ARRAY(
                   SELECT array_position(names, w.name) FROM unnest($1::text[]) WITH ORDINALITY AS w(name, i)
                   ORDER BY w.i
               ) AS place
        FROM console.catalogue WHERE names && $1::text[]
    )
"""


@cache
def means(names: int) -> str:
    """The statement for this many names. Its rows: a bucket, and the means of all names in it.

    One aggregate per name over whole ticks: a row per tick and name would cost four times as much.
    """
    columns = ", ".join(f"avg(t.numbers[p.place[{i}]])" for i in range(1, names + 1))
    return f"""
        WITH {_TICKS}
        SELECT t.bucket, ARRAY[{columns}] AS means
        FROM ticks AS t JOIN places AS p USING (catalogue_id)
        GROUP BY t.bucket
    """  # noqa: S608 - only numbers are put in


# Rows: the place of a name in $1, a bucket, the rank of the worst status in it, checks, checks that were not ok.
# A metric without a value has its reason, behind U+0001 or U+0002, in the place of a text.
STATUSES = f"""
    WITH {_TICKS},
    seen AS (
        SELECT i, t.bucket, t.texts[p.place[i]] AS status
        FROM ticks AS t JOIN places AS p USING (catalogue_id)
            CROSS JOIN generate_series(1, cardinality($1::text[])) AS i
    ),
    ranked AS (
        SELECT i, bucket,
               CASE status WHEN 'up' THEN 0 WHEN 'ok' THEN 0 WHEN 'degraded' THEN 1 WHEN 'down' THEN 3 ELSE 2 END
                   AS rank
        FROM seen WHERE left(status, 1) NOT IN (chr(1), chr(2))
    )
    SELECT i, bucket, max(rank) AS rank, count(*) AS checks, count(*) FILTER (WHERE rank > 0) AS bad
    FROM ranked GROUP BY i, bucket
"""  # noqa: S608 - no value from outside


def require_window(span_s: float, points: int) -> None:
    """Raises ValueError for a window that has no buckets."""
    if span_s <= 0 or points < 1:
        raise ValueError(f"a window of {span_s} s in {points} buckets")


def spread(found: Sequence[tuple[int, T]], points: int, empty: T) -> tuple[T, ...]:
    """The values of `found` at their buckets, `empty` elsewhere."""
    row = [empty] * points
    for bucket, value in found:
        row[bucket] = value
    return tuple(row)
