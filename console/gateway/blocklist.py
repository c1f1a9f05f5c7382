"""The platform's own block list, which its functions check, and who and what was seen from an address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from console.domain.network import Network
from console.domain.text import printable
from console.gateway.effects import Caller

_MOST_USERS = 50
_WINDOW = timedelta(days=1)
# Two at once would both find no row; the lock's number is ours alone.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(7305222)"

# A range, how far back, how many people at most.
ACTIVITY = """
WITH o AS (SELECT user_id, count(order_id) AS orders FROM order_audit_log
           WHERE ip_address <<= $1::cidr AND created_at > now() - $2::interval GROUP BY user_id),
     a AS (SELECT user_id, count(*) FILTER (WHERE action = 'authentication_success') AS successes,
                  count(*) FILTER (WHERE action = 'authentication_failure') AS failures
           FROM auth_audit_log
           WHERE ip_address <<= $1::cidr AND created_at > now() - $2::interval GROUP BY user_id),
     whole AS (SELECT user_id, coalesce(orders, 0) AS orders, coalesce(successes, 0) AS successes,
                      coalesce(failures, 0) AS failures FROM o FULL JOIN a USING (user_id))
SELECT w.*, p.email, sum(w.orders) OVER ()::bigint AS all_orders,
       sum(successes) OVER ()::bigint AS all_successes, sum(failures) OVER ()::bigint AS all_failures,
       count(w.user_id) FILTER (WHERE w.orders > 0 OR successes > 0) OVER () AS all_users,
       count(w.user_id) FILTER (WHERE successes > 0) OVER () AS all_succeeded
FROM whole AS w LEFT JOIN profiles AS p ON p.id = w.user_id
ORDER BY (p.id IS NOT NULL AND (w.orders > 0 OR successes > 0)) DESC, w.orders DESC, successes DESC, email
LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class Block:
    """One row of the list; `expires_at` None never ends."""

    network: Network
    reason: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Seen:
    """Somebody who ordered or logged in from a range."""

    user_id: str
    email: str
    orders: int
    successes: int


@dataclass(frozen=True, slots=True)
class Activity:
    """What came from a range. `users` are at most 50, those with most orders first; `user_count` is all of them.

    `failures` and `successes` are log-ins, `users_succeeded` the different people among the latter; `refused`
    counts requests by layer (platform, vercel).
    """

    users: tuple[Seen, ...]
    user_count: int
    orders: int
    failures: int
    successes: int
    users_succeeded: int
    refused: dict[str, int]


class BlockList(Caller):
    async def block(self, network: Network, reason: str, expires_at: datetime) -> Block:
        """Refuse this network until then. Where it is on the list already, reason and end become these."""
        rows = await self._write(
            (_ONE_AT_A_TIME, ()),
            ("UPDATE blocked_ips SET reason = $2, expires_at = $3 WHERE network = $1", (network, reason, expires_at)),
            (
                "INSERT INTO blocked_ips (network, reason, expires_at) SELECT $1::cidr, $2::text, $3::timestamptz "
                "WHERE NOT EXISTS (SELECT FROM blocked_ips WHERE network = $1::cidr)",
                (network, reason, expires_at),
            ),
            (
                "SELECT network, reason, created_at, expires_at FROM blocked_ips WHERE network = $1 LIMIT 1",
                (network,),
            ),
        )  # fmt: skip
        return _block(rows[-1][0])

    async def unblock(self, network: Network) -> int:
        """Take exactly this network off the list; how many rows are gone, 0 when it was not on it."""
        rows = await self._write(("DELETE FROM blocked_ips WHERE network = $1 RETURNING id", (network,)))
        return len(rows[0])

    async def is_blocked(self, network: Network) -> Block | None:
        """The block in force that covers all of this network, the narrowest of them; None when there is none."""
        rows = await self._read(
            "SELECT network, reason, created_at, expires_at FROM blocked_ips WHERE network >>= $1::cidr "
            "AND (expires_at IS NULL OR expires_at > now()) ORDER BY masklen(network) DESC LIMIT 1",
            network,
        )  # fmt: skip
        return _block(rows[0]) if rows else None

    async def activity(self, network: Network) -> Activity:
        """Who and what came from this range in the last day, by the platform's clock."""
        rows = await self._read(
            ACTIVITY,
            network, _WINDOW, _MOST_USERS,
        )  # fmt: skip
        refused = await self._refused("created_at > now() - $2::interval", network, _WINDOW)
        total = rows[0] if rows else None
        return Activity(
            tuple(
                Seen(str(r["user_id"]), printable(r["email"], 200), r["orders"], r["successes"])
                for r in rows
                if r["email"] is not None and (r["orders"] or r["successes"])
            ),
            *(
                (total["all_users"], total["all_orders"], total["all_failures"], total["all_successes"],
                 total["all_succeeded"]) if total else (0, 0, 0, 0, 0)
            ),
            refused,
        )  # fmt: skip

    async def refused_since(self, network: Network, at: datetime) -> dict[str, int]:
        """Requests refused from this range since then, by layer."""
        return await self._refused("created_at >= $2", network, at)

    async def _refused(self, when: str, network: Network, since: datetime | timedelta) -> dict[str, int]:
        rows = await self._read(
            "SELECT layer, sum(requests)::bigint AS requests FROM blocked_requests "  # noqa: S608 - one of two texts
            f"WHERE ip_address <<= $1::cidr AND {when} GROUP BY layer ORDER BY layer",
            network, since,
        )  # fmt: skip
        return {printable(r["layer"], 40): r["requests"] for r in rows}

    async def failures_since(self, network: Network, at: datetime) -> int:
        """Failed log-ins from this range since then."""
        rows = await self._read(
            "SELECT count(*) AS failures FROM auth_audit_log WHERE action = 'authentication_failure' "
            "AND ip_address <<= $1::cidr AND created_at >= $2",
            network, at,
        )  # fmt: skip
        return rows[0]["failures"]

    async def now(self) -> datetime:
        """The clock by which the platform's rows are dated."""
        return (await self._read("SELECT clock_timestamp() AS now"))[0]["now"]


def _block(row: asyncpg.Record) -> Block:
    return Block(row["network"], printable(row["reason"]), row["created_at"], row["expires_at"])
