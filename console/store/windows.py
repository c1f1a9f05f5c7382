"""Windows over ticks, in one statement each: means per bucket of metrics, and the past of a component's health.

Bucket i of n covers [start + i/n, start + (i+1)/n) of the window, computed in whole microseconds.

A window of few ticks is read completely. One of many (a day of ticks each 2 s) would take half a second, so it is
read as a sample: each bucket is cut into equal slots, and the first tick of each slot stands for it. Live and
thinned ticks are read as one, and a name is found in whatever catalogue a tick was written with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

# Up to this many ticks every one is read: an hour of ticks each 2 s, a day of ticks each 30 s.
_COMPLETE = 3000
_SLOTS_PER_BUCKET = 15
LIMITS = (_COMPLETE, _SLOTS_PER_BUCKET)

# $1 names, $2 start, $3 end, $4 points, $5 complete up to, $6 slots per bucket.
_PICKED = """
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
    bucketed AS (
        SELECT catalogue_id, numbers, texts, at,
               ((extract(epoch FROM at - $2) * 1000000)::bigint * $4
                   / (extract(epoch FROM $3 - $2) * 1000000)::bigint)::int AS bucket
        FROM picked
    ),
    place AS (
        SELECT w.name, c.id AS catalogue_id, array_position(c.names, w.name) AS i
        FROM unnest($1::text[]) AS w(name) JOIN console.catalogue AS c ON w.name = ANY (c.names)
    )
"""

MEANS = f"""
    WITH {_PICKED},
    mean AS (
        SELECT p.name, b.bucket, sum(b.numbers[p.i]) / count(b.numbers[p.i]) AS mean
        FROM bucketed AS b JOIN place AS p USING (catalogue_id)
        WHERE b.numbers[p.i] IS NOT NULL
        GROUP BY p.name, b.bucket
    )
    SELECT name, array_agg(bucket) AS buckets, array_agg(mean) AS means FROM mean GROUP BY name
"""  # noqa: S608 - no value from outside

# A metric without a value has its reason, behind U+0001, in the place of a text.
STATUSES = f"""
    WITH {_PICKED},
    ranked AS (
        SELECT p.name, b.bucket,
               CASE b.texts[p.i] WHEN 'up' THEN 0 WHEN 'ok' THEN 0 WHEN 'degraded' THEN 1 WHEN 'down' THEN 3 ELSE 2 END
                   AS rank
        FROM bucketed AS b JOIN place AS p USING (catalogue_id)
        WHERE b.texts[p.i] IS NOT NULL AND NOT starts_with(b.texts[p.i], chr(1))
    ),
    counted AS (
        SELECT name, bucket, max(rank) AS rank, count(*) AS checks, count(*) FILTER (WHERE rank > 0) AS bad
        FROM ranked GROUP BY name, bucket
    )
    SELECT name, array_agg(bucket) AS buckets, array_agg(rank) AS ranks, array_agg(checks) AS checks,
           array_agg(bad) AS bad
    FROM counted GROUP BY name
"""  # noqa: S608 - no value from outside


def spread(buckets: Sequence[int], values: Sequence[T], points: int) -> tuple[T | None, ...]:
    """`values` at their buckets, None elsewhere."""
    row: list[T | None] = [None] * points
    for bucket, value in zip(buckets, values, strict=True):
        row[bucket] = value
    return tuple(row)
