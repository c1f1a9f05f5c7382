"""Effects in the store: what actions left in force on the platform."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from console.domain.action import Effect, Layer
from console.domain.text import printable
from console.store import action_rows
from console.store.lease import Lease
from console.store.pool import Store


async def put(
    store: Store,
    lease: Lease,
    action_id: int,
    *,
    kind: str,
    target: str,
    expires_at: datetime | None,
    layers: Sequence[Layer],
) -> int:
    """What it put in force, on which layers; the same kind and target is one effect. Raises Fenced."""
    return await store.fetchval(
        "SELECT console.put_effect($1, $2, $3, $4, $5, $6)",
        lease.fence,
        action_id,
        kind,
        printable(target, 200),
        expires_at,
        action_rows.layers_json(layers),
    )


async def lift(
    store: Store, lease: Lease, action_id: int, *, kind: str, target: str, layers: Sequence[Layer]
) -> bool:
    """It is not in force any more; `kind` is that of the action that made it. Raises Fenced."""
    return await store.fetchval(
        "SELECT console.lift_effect($1, $2, $3, $4, $5)",
        lease.fence,
        action_id,
        kind,
        printable(target, 200),
        action_rows.layers_json(layers),
    )


async def current(
    store: Store, *, lifted_since: datetime | None = None, kind: str | None = None
) -> list[Effect]:
    """What is in force, and what was lifted since then, of all kinds or of one; what ends first comes first."""
    rows = await store.fetch(
        """
        SELECT id, kind, target, action_id, reason, author, since, expires_at, layers, lifted_at, lifted_by
        FROM console.effect WHERE (lifted_at IS NULL OR lifted_at >= $1) AND ($2::text IS NULL OR kind = $2)
        ORDER BY lifted_at IS NOT NULL, expires_at NULLS LAST, id
        """,
        lifted_since,
        kind,
    )
    return [action_rows.effect(row) for row in rows]
