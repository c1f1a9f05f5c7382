"""An agent that takes the lease, writes in an open transaction, and then waits to be told to commit.

One JSON line of input: url, password. Prints `written`, reads a line, commits, prints what came of it.
"""

import asyncio
import json
import sys
from datetime import datetime

import asyncpg

TICK = "SELECT console.write_tick($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"


async def main() -> None:
    given = json.loads(sys.stdin.readline())
    connection = await asyncpg.connect(given["url"], password=given["password"])
    fence = await connection.fetchval("SELECT fence FROM console.acquire_lease('old', 3)")
    assert fence is not None, "somebody else leads"
    catalogue = await connection.fetchval(
        """SELECT console.ensure_catalogue($1, '[{"name": "error_rate"}]', false)""", fence
    )
    transaction = connection.transaction()
    await transaction.start()
    at = datetime.fromisoformat(given["at"])
    tick = (fence, at, catalogue, [1.0], [None], ["database"], ["down"], [1.0], ["never seen"], [at])
    await connection.fetchval(TICK, *tick)
    await connection.fetchval("SELECT console.append_event($1, 'agent', 'info', 'old', 'never seen')", fence)
    print(f"written {fence}", flush=True)
    sys.stdin.readline()
    try:
        await transaction.commit()
        print("committed", flush=True)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        print(f"lost: {type(error).__name__}", flush=True)
    again = await asyncpg.connect(given["url"], password=given["password"])
    try:
        await again.fetchval(TICK, *tick)
        print("wrote again", flush=True)
    except asyncpg.PostgresError as error:
        print(f"fenced: {error.sqlstate}", flush=True)  # pyright: ignore[reportAttributeAccessIssue]


asyncio.run(main())
