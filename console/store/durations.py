"""How long the steps of actions took in the past."""

from __future__ import annotations

from console.domain.forecast import WATCH, Usual
from console.domain.text import printable
from console.store.pool import Store


async def usual(store: Store, kind: str, *, limit: int = 10) -> dict[str, Usual]:
    """By the name of a step, how it went in the last `limit` actions of this kind that are done, by the median; `WATCH`
    is the time after the last of them. A step that was never done has no entry. Raises StoreAway and StoreRefused."""
    rows = await store.fetch(
        """
        WITH past AS (
            SELECT id, started_at, ended_at FROM console.action
            WHERE kind = $1 AND state = 'done' AND started_at IS NOT NULL
            ORDER BY ended_at DESC LIMIT $2
        ), went AS (
            SELECT s.name, s.started_at - p.started_at AS begins, s.ended_at - s.started_at AS takes
            FROM past AS p JOIN console.action_step AS s ON s.action_id = p.id
            WHERE s.state = 'done' AND s.started_at IS NOT NULL AND s.ended_at IS NOT NULL
            UNION ALL
            SELECT $3, max(s.ended_at) - p.started_at, p.ended_at - max(s.ended_at)
            FROM past AS p JOIN console.action_step AS s ON s.action_id = p.id
            WHERE s.ended_at IS NOT NULL GROUP BY p.id, p.started_at, p.ended_at
        )
        SELECT name, percentile_cont(0.5) WITHIN GROUP (ORDER BY begins) AS begins,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY takes) AS takes
        FROM went GROUP BY name
        """,
        printable(kind, 60),
        limit,
        WATCH,
    )
    return {printable(r["name"], 100): Usual(r["begins"], r["takes"]) for r in rows}
