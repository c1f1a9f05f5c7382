"""The part of a Snapshot that says what people and the agent do about the platform, as far as there is news of it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from console.domain.snapshot import LIFTED_FOR, MOST_ENDED, RESOLVED_FOR
from console.store import actions, checklists, checks, effects, findings, freezes, incidents, releases
from console.store.pool import Store


async def read(store: Store, hints: Collection[str], now: datetime) -> dict[str, Any]:
    """The sections that these hints of the store are about, by name; {} for none. Raises StoreAway, StoreRefused."""
    sections: dict[str, Any] = {}
    if "kind" in hints:
        sections["kinds"] = tuple(await actions.kinds(store))
    if "action" in hints:
        sections["actions"] = tuple(await actions.current(store, since=now - RESOLVED_FOR, limit=MOST_ENDED))
        sections["effects"] = tuple(await effects.current(store, lifted_since=now - LIFTED_FOR))
        sections["freezes"] = tuple(await freezes.current(store))
        sections["glass"] = tuple(await freezes.broken_glass(store))
    if "finding" in hints:
        sections["findings"] = tuple(await findings.current(store, since=now - RESOLVED_FOR))
        sections["detectors"] = tuple(await findings.detectors(store))
    if "release" in hints:
        sections["releases"] = tuple(await releases.recent(store))
        sections["candidates"] = tuple(await releases.candidates(store))
    if "check" in hints:
        sections["checklist"] = await checks.latest(store, "pre")
    if "incident" in hints:
        sections["incidents"] = tuple(await incidents.current(store, closed_since=now - RESOLVED_FOR))
    if "duty" in hints:
        sections["checklists"] = tuple(await checklists.standing(store))
    return sections | {"control": True} if sections else {}
