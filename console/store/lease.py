"""Who leads. The lease lies in the store and runs on the store's clock; its fence number goes with every write."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from console.domain.snapshot import STALE_AFTER_TICKS, AgentState
from console.domain.text import printable
from console.store.pool import Store

# An agent that stands by shows itself at least this often, or counts as gone.
PRESENT_S = 10.0


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as it was given; `expires_at` is on the store's clock and moves with each renewal."""

    holder: str
    fence: int
    expires_at: datetime


async def acquire(store: Store, holder: str, ttl_s: float) -> Lease | None:
    """The lease for `holder`, or None while another one's holds. Takes over one that has run out."""
    row = await store.fetchrow(
        "SELECT holder, fence, expires_at FROM console.acquire_lease($1, $2)",
        printable(holder, 100),
        float(ttl_s),
    )
    return None if row is None else Lease(row["holder"], row["fence"], row["expires_at"])


async def renew(store: Store, lease: Lease, ttl_s: float) -> bool:
    """Hold it for another `ttl_s`. False: it has passed on, and nothing may be written under it any more."""
    return bool(await store.fetchval("SELECT console.renew_lease($1, $2)", lease.fence, float(ttl_s)))


async def release(store: Store, lease: Lease) -> None:
    """Give it back, so that another agent leads at once. Nothing happens when it has passed on already."""
    await store.fetchval("SELECT console.release_lease($1)", lease.fence)


async def heartbeat(store: Store, name: str, version: str) -> None:
    """Show that this agent is there, whether it leads or stands by."""
    await store.fetchval("SELECT console.heartbeat($1, $2)", printable(name, 100), printable(version, 50))


async def agent_state(store: Store) -> AgentState:
    """Who leads, since when, who stands by, and how often a tick is taken."""
    rows = await store.fetch(
        """
        SELECT l.fence, coalesce(m.tick_s, 30) AS tick_s, leads.now AS leads,
               CASE WHEN leads.now THEN l.holder END AS leader,
               CASE WHEN leads.now THEN l.acquired_at ELSE l.expires_at END AS since,
               ARRAY(
                   SELECT p.name FROM console.presence AS p
                   WHERE p.seen_at > clock_timestamp() - make_interval(secs => $1)
                       AND NOT (leads.now AND p.name = l.holder)
                   ORDER BY p.name
               ) AS standby,
               coalesce(
                   (SELECT at FROM console.alert_cursor)
                       > clock_timestamp() - make_interval(secs => $2 * coalesce(m.tick_s, 30)),
                   true
               ) AS judging
        FROM console.lease AS l
            CROSS JOIN LATERAL (SELECT l.holder IS NOT NULL AND l.expires_at > clock_timestamp()) AS leads(now)
            LEFT JOIN console.meta AS m ON true
        """,
        PRESENT_S,
        float(STALE_AFTER_TICKS),
    )
    row = rows[0]
    leader = row["leader"]
    return AgentState(
        leader=None if leader is None else printable(leader, 100),
        fence=row["fence"],
        since=row["since"],
        tick_s=row["tick_s"],
        standby=tuple(printable(name, 100) for name in row["standby"]),
        judging=row["judging"],
    )
