"""What incidents that are over have left to do. It only reads: store.incidents adds and ends follow-ups."""

from __future__ import annotations

from console.domain.incident import FollowUp
from console.domain.text import printable
from console.store.pool import Store


async def left(store: Store, *, limit: int = 500) -> list[tuple[int, str, FollowUp]]:
    """Open ones of incidents that are over, however long ago, the oldest first: each with the number and the title of
    its incident. Raises StoreAway, StoreRefused."""
    rows = await store.fetch(
        """
        SELECT f.id, f.text, f.owner, f.author, f.at, f.incident_id, i.title
        FROM console.follow_up AS f JOIN console.incident AS i ON i.id = f.incident_id
        WHERE f.done_at IS NULL AND i.closed_at IS NOT NULL ORDER BY f.at, f.id LIMIT $1
        """,
        limit,
    )
    return [
        (
            row["incident_id"],
            printable(row["title"], 200),
            FollowUp(
                row["id"],
                printable(row["text"]),
                printable(row["owner"], 63),
                printable(row["author"], 63),
                row["at"],
            ),
        )
        for row in rows
    ]
