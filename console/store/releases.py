"""Releases in the store: what was deployed, and which one is live."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from console.domain.release import FunctionVersion, Release, Released, ReleaseState
from console.domain.text import printable
from console.store.lease import Lease
from console.store.pool import Store


async def put(store: Store, lease: Lease, action_id: int | None, made: Released) -> int | None:
    """How a deployment or a rollback ended. Without an action: what was found running; None when a live one is known.
    Raises Fenced."""
    return await store.fetchval(
        "SELECT console.put_release($1, $2, $3)",
        lease.fence,
        action_id,
        json.dumps(
            asdict(made)
            | {
                "version": printable(made.version, 60),
                "frontend": printable(made.frontend, 200),
                "words": printable(made.words, 500),
            }
        ),
    )


async def recent(store: Store, *, limit: int = 50) -> list[Release]:
    """The latest first. Raises StoreAway and StoreRefused."""
    rows = await store.fetch(
        """
        SELECT id, version, commit, state, at, author, action_id, functions, migrations, frontend, words
        FROM console.release ORDER BY id DESC LIMIT $1
        """,
        limit,
    )
    return [_release(row) for row in rows]


def _release(row: Any) -> Release:
    return Release(
        id=row["id"],
        version=printable(row["version"], 60),
        commit=printable(row["commit"], 64),
        state=ReleaseState(row["state"]),
        at=row["at"],
        by=printable(row["author"], 63),
        action_id=row["action_id"],
        functions=tuple(
            FunctionVersion(
                printable(f["slug"], 60), int(f["version"]), printable(f["sha"], 100), bool(f["active"])
            )
            for f in json.loads(row["functions"])
        ),
        migrations=tuple(printable(m, 40) for m in row["migrations"]),
        frontend=printable(row["frontend"], 200),
        words=printable(row["words"], 500),
    )
