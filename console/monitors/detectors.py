"""Runs the security detectors for the agent that leads: reads new rows, asks what is blocked, writes what was found.

A term begins where the store says that the last one ended. What was written with an answer that was lost is read
from the store again, so that nothing is counted or told twice.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from console.domain.errors import Fenced, SourceFailed, TradexError
from console.domain.finding import Finding, FindingPhase, source_of
from console.domain.network import Network, covers
from console.domain.text import printable
from console.gateway.database import Database
from console.gateway.platform import Platform
from console.gateway.reasons import NoSource
from console.monitors import security_file
from console.monitors.brute_force import Attack, Attempt, BruteForce
from console.monitors.security_file import Ask, Security
from console.store import findings
from console.store.findings import Written
from console.store.lease import Lease
from console.store.pool import Store

log = logging.getLogger("tradex.security")

BRUTE_FORCE = "brute_force"
_LONGEST_PAUSE_S = 5.0
# So often at most a round goes on where so many rows came that there must be more.
_PAGES = 20
_FOREVER = datetime.max.replace(tzinfo=UTC)
_ATTEMPT = ("id", "at", "address", "failed", "user")
_BLOCK = ("network", "until")

Key = tuple[str, int]
"""A source, and which of its attacks."""


@dataclass(frozen=True, slots=True)
class Block:
    """A network that the platform refuses, until when (None: without an end)."""

    network: Network
    until: datetime | None


class Detectors:
    """What security.yaml declares, `file` merged over the shipped one. Raises Misuse for a wrong file. `time_scale` is
    how much faster than the clock windows run, `tick_s` how often the agent looks at anything."""

    def __init__(
        self, platform: Platform, file: Path | None = None, *, time_scale: float = 1.0, tick_s: float = 30.0
    ) -> None:
        self._platform = platform
        self._security = security_file.load(file, time_scale=time_scale)
        self._every_s = min(tick_s / 2, _LONGEST_PAUSE_S)

    async def run(self, store: Store, lease: Lease) -> None:
        """Until cancelled, or until the lease has passed on: then it raises Fenced, and nothing else ever."""
        # A session of its own: what is slow here keeps no metric waiting.
        database = self._platform.sessions(1)
        watch = BruteForceWatch(database, self._security)
        failed = False
        try:
            while True:
                begun = time.monotonic()
                try:
                    await watch.round(store, lease)
                    failed = False
                except Fenced:
                    raise
                except TradexError as error:
                    if not failed:
                        log.warning("findings wait: %s", error)
                    failed = True
                await asyncio.sleep(max(begun + self._every_s - time.monotonic(), self._every_s / 10))
        finally:
            await database.close()


class BruteForceWatch:
    """One term of the brute-force detector."""

    def __init__(self, database: Database, security: Security) -> None:
        self._database = database
        self._security = security
        self._entry = security.brute_force
        self._core: BruteForce | None = None
        self._revision = 0
        self._reason: str | None = None
        self._written: dict[Key, Written] = {}
        self._blocks: Sequence[Block] = ()
        self._unusable = False

    async def round(self, store: Store, lease: Lease) -> None:
        """Look once and write what is new. Raises Fenced, StoreAway and StoreRefused; the next round then begins with
        what the store has."""
        try:
            core = self._core or await self._begin(store)
            attempts, now = await self._attempts(core.settled)
            core.feed(attempts, now)
            self._core = core
            found = await self._found(core, now)
        except SourceFailed as error:
            await self._fails(store, lease, str(error))
            return
        changed = {key: written for key, written in found.items() if self._written.get(key) != written}
        # What is no longer held was quiet long ago, or was taken up by another attack of its source.
        changed |= {
            key: replace(written, finding=_over(written.finding))
            for key, written in self._written.items()
            if key not in found and written.finding.phase is not FindingPhase.QUIET
        }
        ids = await self._write(store, lease, list(changed.values()), core.settled)
        if ids is None:
            return
        for (key, written), number in zip(changed.items(), ids, strict=True):
            found[key] = replace(written, finding=replace(written.finding, id=number))
        self._written = {key: written for key, written in found.items() if key[0] in core}

    # --- inside -------------------------------------------------------------------------------------------------

    async def _begin(self, store: Store) -> BruteForce:
        """A detector that knows what the store knows."""
        rule = self._entry.rule
        now = await self._now()
        standing = await findings.standing(store, BRUTE_FORCE, live_since=now - rule.window - rule.again)
        self._revision, self._written = standing.revision, {}
        known: dict[str, Attack | int] = {}
        # The newest one of a source comes last.
        for written in standing.live:
            source = written.finding.source
            if source in known:
                self._written = {
                    (s, n if s != source else -before.finding.id): before
                    for (s, n), before in self._written.items()
                }
            number, known[source] = _settled(written)
            self._written[source, number] = replace(written, finding=_own(written.finding))
        settled = now - rule.window - rule.overlap
        if standing.settled_at is not None:
            oldest = now - rule.window - rule.again
            settled = min(max(standing.settled_at, oldest), now - rule.overlap)
        core = BruteForce(rule, settled, known)
        before, _ = await self._attempts(settled - rule.window, until=settled)
        core.warm(before)
        return core

    async def _write(
        self, store: Store, lease: Lease, changed: Sequence[Written], settled_at: datetime
    ) -> list[int] | None:
        core, self._core = self._core, None
        ids = await findings.write(
            store, lease, BRUTE_FORCE, revision=self._revision, settled_at=settled_at, changed=changed
        )
        if ids is not None:
            self._core, self._revision, self._reason = core, self._revision + 1, ""
        return ids

    async def _fails(self, store: Store, lease: Lease, reason: str) -> None:
        """Say why nothing is detected, once."""
        if reason == self._reason:
            return
        log.warning("brute force is not watched: %s", reason)
        core, self._core = self._core, None
        if core is None:
            self._revision = (await findings.standing(store, BRUTE_FORCE)).revision
        ids = await findings.write(
            store, lease, BRUTE_FORCE, revision=self._revision, settled_at=None, reason=reason
        )
        if ids is not None:
            self._core, self._revision, self._reason = core, self._revision + 1, reason

    async def _found(self, core: BruteForce, now: datetime) -> dict[Key, Written]:
        """Every attack that is held, as it stands at `now`."""
        attacks = dict(core.attacks())
        if attacks:
            await self._ask_blocks()
        blocked = {source: _holding(source, self._blocks) for source in attacks}
        core.forget(lambda source: blocked.get(source) is not None)
        found: dict[Key, Written] = {}
        for source, attack in core.attacks():
            block = blocked.get(source)
            phase = FindingPhase.OPEN if core.attacking(attack, now) else FindingPhase.QUIET
            key = source, attack.number
            before = self._written.get(key)
            found[key] = Written(
                self._finding(
                    attack,
                    source,
                    0 if before is None else before.finding.id,
                    FindingPhase.BLOCKED if block else phase,
                    block.until if block else None,
                ),
                _json(attack.number, core.base(source)),
            )
        return found

    def _finding(
        self, attack: Attack, source: str, number: int, phase: FindingPhase, blocked_until: datetime | None
    ) -> Finding:
        entry = self._entry
        return Finding(
            id=number,
            kind=BRUTE_FORCE,
            severity=entry.severity,
            source=source,
            phase=phase,
            at=attack.first_at,
            opened_at=attack.first_at,
            since=attack.first_at,
            first_at=attack.first_at,
            attack_at=attack.attack_at,
            last_at=attack.last_at,
            count=attack.count,
            peak=attack.peak,
            threshold=entry.rule.threshold,
            window=entry.rule.window,
            users=attack.users,
            users_more=attack.users_more,
            affected=attack.affected,
            affected_more=attack.affected_more,
            action=entry.action,
            action_for=entry.action_for,
            blocked_until=blocked_until,
        )

    # --- what the platform is asked -----------------------------------------------------------------------------

    async def _now(self) -> datetime:
        rows = await self._database.fetch("SELECT clock_timestamp()")
        return rows[0][0]

    async def _ask(self, ask: Ask, columns: Sequence[str], *args: object) -> list[Mapping[str, Any]]:
        """One row at least, for the clock of the same database: `read_at`."""
        if ask.none is not None:
            raise NoSource(ask.none)
        rows = await self._database.fetch(
            f"SELECT clock_timestamp() AS read_at, a.* FROM (SELECT) AS always "  # noqa: S608 - the file's own SQL
            f"LEFT JOIN (\n{ask.sql}\n) AS a ON true",
            *args,
            timeout_s=ask.timeout_s,
        )
        names = set(rows[0].keys())
        if missing := [column for column in columns if column not in names]:
            raise SourceFailed(f"the query gives no column {missing[0]}")
        return [dict(row) for row in rows]

    async def _attempts(
        self, since: datetime, *, until: datetime | None = None
    ) -> tuple[list[Attempt], datetime]:
        """Attempts after `since` (as far as `until`, where that is enough), and up to when that is all there is."""
        out: list[Attempt] = []
        for _ in range(_PAGES):
            rows = await self._ask(self._security.attempts, _ATTEMPT, since, self._security.most)
            there = [row for row in rows if row["id"] is not None]
            read_at, last = rows[0]["read_at"], max((_time(row["at"]) for row in there), default=since)
            out += self._usable(there)
            if len(there) < self._security.most or (until is not None and last > until):
                return out, read_at
            # Others may have the time of the last one; where all of them have, further ones are given up.
            before = last - timedelta.resolution
            since = before if before > since else last
        return out, since

    def _usable(self, rows: Iterable[Mapping[str, Any]]) -> list[Attempt]:
        out: list[Attempt] = []
        for row in rows:
            source = source_of(str(row["address"]))
            if source is not None:
                user = "" if row["user"] is None else printable(row["user"], 100)
                out.append(
                    Attempt(_time(row["at"]), printable(row["id"], 100), source, row["failed"] is True, user)
                )
            elif not self._unusable:
                self._unusable = True
                log.warning(
                    "log-ins without a usable address are passed over: %s", printable(row["address"], 60)
                )
        return out

    async def _ask_blocks(self) -> None:
        """What can't be asked now is as it was."""
        try:
            rows = await self._ask(self._security.blocks, _BLOCK)
        except NoSource:
            self._blocks = ()
        except SourceFailed as error:
            log.info("blocks: %s", error)
        else:
            self._blocks = [
                Block(network, None if row["until"] is None else _time(row["until"]))
                for row in rows
                if row["network"] is not None and (network := _network(str(row["network"]))) is not None
            ]


def _time(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise SourceFailed(f"the query gave a row with no time: {printable(repr(value), 60)}")
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def _network(text: str) -> Network | None:
    try:
        found = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Network) and found.prefixlen >= 96:
        mapped = found.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((mapped, found.prefixlen - 96))
    return found


def _holding(source: str, blocks: Iterable[Block]) -> Block | None:
    """The block that holds a whole source for longest."""
    wanted = _network(source)
    holding = [b for b in blocks if wanted is not None and covers(b.network, wanted)]
    return max(holding, key=lambda b: b.until or _FOREVER, default=None)


def _over(finding: Finding) -> Finding:
    return replace(finding, phase=FindingPhase.QUIET, blocked_until=None)


def _own(finding: Finding) -> Finding:
    """Without what is the store's to set, so that what was written compares with what is found."""
    return replace(
        finding,
        at=finding.first_at,
        opened_at=finding.first_at,
        since=finding.first_at,
        dismissed_by=None,
        dismissed_at=None,
        dismissed_reason="",
    )


# --- what the next agent goes on from ---------------------------------------------------------------------------------

_TIMES = ("first_at", "attack_at", "last_at")
_TUPLES = ("users", "affected")


def _json(number: int, base: Attack | int) -> dict[str, Any]:
    """`number` is the attack's that the finding shows, `base` what of its source is settled."""
    if isinstance(base, int):
        return {"number": number, "base": base}
    plain = asdict(base) | {name: getattr(base, name).isoformat() for name in _TIMES}
    return {"number": number, "base": plain | {name: list(getattr(base, name)) for name in _TUPLES}}


def _settled(written: Written) -> tuple[int, Attack | int]:
    """What `_json` wrote; of anything else, that all that the finding shows is settled."""
    finding = written.finding
    try:
        number, base = written.settled["number"], written.settled["base"]
        if isinstance(base, int):
            return int(number), base
        times = {name: _time(datetime.fromisoformat(base[name])) for name in _TIMES}
        return int(number), Attack(**(base | times | {name: tuple(base[name]) for name in _TUPLES}))
    except (KeyError, TypeError, ValueError, AttributeError):
        return 1, Attack(
            1,
            finding.first_at,
            finding.attack_at,
            finding.last_at,
            finding.count,
            finding.peak,
            finding.users,
            finding.users_more,
            finding.affected,
            finding.affected_more,
        )
