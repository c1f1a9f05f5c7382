"""Housekeeping of the leading agent: partitions ahead of time, and the thinning of old ticks."""

from __future__ import annotations

from datetime import datetime

from console.store.lease import Lease
from console.store.pool import Store


async def maintain(store: Store, lease: Lease, *, now: datetime | None = None) -> None:
    """Make the partitions of the next days; thin each day that ended 30 days ago to one tick per five minutes;
    drop what is older than 13 months.

    `now` is the store's clock unless it is given. Every step is a short call of its own, because it holds the
    lease while it runs. Raises Fenced, and StoreAway when a step had to wait too long for a reader: the next
    call goes on from there.
    """
    moment = now or await store.now()
    await store.fetchval("SELECT console.prepare_partitions($1, $2)", lease.fence, moment)
    while await store.fetchval("SELECT console.thin_day($1, $2)", lease.fence, moment):
        pass
    while await store.fetchval("SELECT console.forget_month($1, $2)", lease.fence, moment):
        pass
