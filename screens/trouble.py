"""What keeps the screens from being live, in words: one place decides it, every screen shows it. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from console.domain import format as fmt
from console.domain.snapshot import Snapshot

# A stand-by leads within this time; before it has passed there is nothing for a person to do.
TAKE_OVER = timedelta(seconds=6)


@dataclass(frozen=True, slots=True)
class Trouble:
    """`kind` is `store`, `agent`, `stale` or `waiting`; `greyed`: what is shown is no longer true by now.

    `rings`: a person should hear of it.
    """

    kind: str
    text: str
    role: str
    glyph: str
    greyed: bool
    rings: bool


def trouble(snapshot: Snapshot, now: datetime) -> Trouble | None:
    """The worst reason why `snapshot` is not the present, or None while it is."""
    link, agent, at = snapshot.link, snapshot.agent, snapshot.metrics.at
    if link.away is not None:
        if not link.environment and at is None and link.away == "connecting":
            return Trouble("waiting", "connecting to the store", "pending", "stale", False, False)
        since = "" if link.away_since is None else f" {fmt.age(now - link.away_since)}"
        text = f"store away{since}: {link.away}; trying again"
        return Trouble("store", text, "crit", "crit", True, True)
    if agent.leader is None:
        since = (
            "" if agent.since is None else f" since {fmt.clock(agent.since)} ({fmt.age(now - agent.since)})"
        )
        last = "" if at is None else f"; last data at {fmt.clock(at)}"
        if agent.since is not None and now - agent.since < TAKE_OVER:
            text = f"no agent leads{since}: waiting for one to take over{last}"
            return Trouble("agent", text, "pending", "stale", at is not None, False)
        what = f"no agent leads{since}: nothing is watched"
        return Trouble("agent", what + last, "crit", "crit", at is not None, at is not None)
    if at is None:
        text = f"waiting for the first tick: {agent.leader} leads"
        return Trouble("waiting", text, "pending", "stale", False, False)
    if snapshot.is_stale(at, now):
        due = f"one is due every {agent.tick_s:g} s"
        text = f"data is {fmt.age(now - at)} old: the last tick came at {fmt.clock(at)}, {due}"
        return Trouble("stale", text, "stale", "stale", True, True)
    return None
