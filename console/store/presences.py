"""Whose consoles are where: a beat now and then, nothing else; and who there is. Raises StoreAway and StoreRefused."""

from __future__ import annotations

from datetime import datetime

from console.domain.incident import Presence
from console.domain.text import printable
from console.store.pool import Store
from console.store.refusals import asked, numbers, possible


async def beat(
    store: Store, incident_id: int | None, *, screen: int, selection: str = "", active: bool = True
) -> None:
    """This person's console is here. The first beat of an incident is a join, and so is one after ten minutes without;
    others hear of a beat when somebody came (back) or looks at something else. Raises Refused, also at a read-only
    console."""
    await asked(
        store,
        "be seen",
        "SELECT console.beat($1, $2, $3, $4)",
        None if incident_id is None else numbers("incident", [incident_id])[0],
        screen,
        printable(selection, 100),
        active,
    )


async def present(store: Store, incident_id: int) -> list[Presence]:
    """Who is there, by name, and then who was heard of within ten minutes, the last one first."""
    rows = await store.fetch(
        """
        SELECT person, seen_at, active_at, screen, selection FROM console.attendance
        WHERE incident_id = $1 AND seen_at > statement_timestamp() - interval '10 minutes'
        ORDER BY CASE WHEN seen_at > statement_timestamp() - interval '30 seconds' THEN NULL ELSE seen_at END
            DESC NULLS FIRST, person
        """,
        possible(incident_id),
    )
    return [
        Presence(
            printable(row["person"], 63),
            row["seen_at"],
            row["active_at"],
            row["screen"],
            printable(row["selection"], 100),
        )
        for row in rows
    ]


async def last_seen(store: Store) -> datetime | None:
    """When this person's visit before this one ended (a visit has a beat at least every five minutes); None: there was
    none."""
    return await store.fetchval(
        """
        SELECT CASE WHEN seen_at < statement_timestamp() - interval '5 minutes' THEN seen_at ELSE left_at END
        FROM console.attendance WHERE person = session_user AND incident_id = 0
        """
    )


async def first_came(store: Store) -> datetime | None:
    """When this person came for the very first time, while that visit lasts; None: there was another one before, or
    they were not seen yet."""
    return await store.fetchval(
        """
        SELECT came_at FROM console.attendance
        WHERE person = session_user AND incident_id = 0 AND left_at IS NULL
            AND seen_at >= statement_timestamp() - interval '5 minutes'
        """
    )


async def responders(store: Store) -> list[str]:
    """The logins of all who may respond, here or not, by name."""
    rows = await store.fetch(
        """
        SELECT rolname FROM pg_roles
        WHERE rolcanlogin AND NOT rolsuper AND pg_has_role(oid, 'console_responder', 'USAGE')
        ORDER BY rolname
        """
    )
    return [printable(row["rolname"], 63) for row in rows]


async def people(store: Store) -> list[str]:
    """The logins of all who may look or respond, here or not, by name; agents are none of them."""
    rows = await store.fetch(
        """
        SELECT rolname FROM pg_roles
        WHERE rolcanlogin AND NOT rolsuper AND pg_has_role(oid, 'console_viewer', 'USAGE')
            AND (NOT pg_has_role(oid, 'console_agent', 'USAGE') OR pg_has_role(oid, 'console_responder', 'USAGE'))
        ORDER BY rolname
        """
    )
    return [printable(row["rolname"], 63) for row in rows]
