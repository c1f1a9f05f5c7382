"""The brute-force detector between a real platform's database and a real store: each failure once, whoever leads."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from console.domain.errors import Fenced, Misuse, StoreAway
from console.domain.finding import Finding, FindingPhase
from console.gateway.platform import Platform
from console.monitors import security_file
from console.monitors.detectors import BruteForceWatch, Detectors
from console.processes.postgres import EmbeddedPostgres
from console.sections import PlatformSettings
from console.store import findings
from console.store import lease as leases
from console.store.lease import Lease
from console.store.pool import Store
from tests.conftest import NewDatabase
from tests.store.stores import Place, prepare

TABLES = """
    CREATE TABLE auth_audit_log (id bigserial PRIMARY KEY, user_id uuid, action text NOT NULL, ip_address inet,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE TABLE profiles (id uuid PRIMARY KEY, email text NOT NULL);
    CREATE TABLE blocked_ips (id bigserial PRIMARY KEY, network cidr NOT NULL, expires_at timestamptz);
"""
ATTACKER = "203.0.113.200"
SCALE = 10.0
"""Windows of 30 s, as in the sandbox."""


@dataclass
class World:
    """A platform's database, and a store whose agent leads."""

    platform: asyncpg.Connection
    settings: PlatformSettings
    store: Store
    lease: Lease
    file: Path | None = None
    scale: float = SCALE

    def watch(self) -> BruteForceWatch:
        """A detector as a new leader has it."""
        database = Platform.open(self.settings).sessions(1)
        return BruteForceWatch(database, security_file.load(self.file, time_scale=self.scale))

    async def round(self, watch: BruteForceWatch | None = None) -> BruteForceWatch:
        watch = watch or self.watch()
        await watch.round(self.store, self.lease)
        return watch

    async def attempts(
        self,
        count: int,
        *,
        ago_s: float = 0.0,
        over_s: float = 1.0,
        address: str | None = ATTACKER,
        action: str = "authentication_failure",
        users: int = 3,
    ) -> None:
        """So many, evenly over `over_s` seconds that ended `ago_s` ago, of so many accounts."""
        await self.platform.execute(
            """
            INSERT INTO auth_audit_log (user_id, action, ip_address, created_at)
            SELECT lpad((n % $5)::text, 32, '0')::uuid, $4, $3::text::inet,
                   now() - make_interval(secs => $2 + $6 * (1 - n / $1::float8))
            FROM generate_series(1, $1::int) AS n
            """,
            count,
            ago_s,
            address,
            action,
            users,
            over_s,
        )

    async def counted(self, finding: Finding) -> int:
        """The same asked of the platform."""
        rows = await self.platform.fetch(
            """
            SELECT count(*) FROM auth_audit_log
            WHERE action = 'authentication_failure' AND ip_address <<= $1::text::inet
                AND created_at BETWEEN $2 AND $3
            """,
            finding.source,
            finding.first_at,
            finding.last_at,
        )
        return rows[0][0]

    async def found(self) -> list[Finding]:
        """All of them, the oldest first."""
        every = await findings.current(self.store, since=datetime(2020, 1, 1, tzinfo=UTC))
        return sorted(every, key=lambda finding: finding.id)

    async def one(self) -> Finding:
        [one] = await self.found()
        return one


@pytest.fixture(scope="module")
def template(postgres: EmbeddedPostgres, session_database: NewDatabase) -> str:
    url = session_database(postgres)
    asyncio.run(prepare(postgres, url))
    return url


@pytest.fixture
async def world(postgres: EmbeddedPostgres, new_database: NewDatabase, template: str) -> AsyncIterator[World]:
    url = new_database(postgres)
    platform = await asyncpg.connect(url, password=postgres.password)
    await platform.execute(TABLES)
    settings = PlatformSettings(database_url=url, database_password=SecretStr(postgres.password))
    async with Place(postgres, new_database(postgres, template=template)).leader() as (store, lease):
        yield World(platform, settings, store, lease)
    await platform.close()


async def test_nine_are_nothing_ten_are_a_finding_and_it_grows(world: World) -> None:
    await world.attempts(9)
    watch = await world.round()
    assert await world.found() == []
    await world.attempts(1)
    await world.round(watch)
    first = await world.one()
    assert (first.source, first.count, first.peak, first.phase) == (ATTACKER, 10, 10, FindingPhase.OPEN)
    assert (first.threshold, first.window.total_seconds(), first.action) == (10, 30.0, "block_ip")
    assert len(first.users) == 3
    await world.attempts(30)
    await world.round(watch)
    grown = await world.one()
    assert (grown.id, grown.count, grown.peak) == (first.id, 40, 40)
    assert grown.count == await world.counted(grown)


async def test_what_is_read_again_and_again_counts_once_and_changes_nothing(world: World) -> None:
    await world.attempts(50)
    watch = await world.round()
    before = await world.one()
    for _ in range(3):
        await world.round(watch)
    assert await world.one() == before and before.count == 50
    [detector] = await findings.detectors(world.store)
    assert detector.ran_at is not None and detector.ran_at > before.at and detector.reason == ""


async def test_a_row_that_was_committed_late_counts(world: World) -> None:
    await world.attempts(10, ago_s=5)
    watch = await world.round()
    await world.attempts(4, ago_s=20)
    await world.attempts(1, ago_s=40)
    await world.round(watch)
    assert (await world.one()).count == 14


async def test_each_source_apart_of_ipv6_a_64_and_of_a_mapped_address_its_ipv4(world: World) -> None:
    for n in range(10):
        await world.attempts(1, address=f"2001:db8:0:7::{n + 1:x}")
        await world.attempts(1, address=f"2001:db8:0:{n + 100:x}::1")
        await world.attempts(1, address=f"203.0.113.{n}")
    await world.attempts(5, address="::ffff:198.51.100.9")
    await world.attempts(5, address="198.51.100.9")
    await world.attempts(30, address=None)
    await world.round()
    assert sorted(f.source for f in await world.found()) == ["198.51.100.9", "2001:db8:0:7::/64"]


async def test_only_who_logs_in_after_the_attack_is_affected(world: World) -> None:
    await world.attempts(1, ago_s=20, action="authentication_success", users=1)
    await world.attempts(12, ago_s=10)
    await world.attempts(1, ago_s=5, action="authentication_success", users=1, address="203.0.113.9")
    watch = await world.round()
    assert (await world.one()).affected == ()
    await world.attempts(2, action="authentication_success", users=2)
    await world.round(watch)
    one = await world.one()
    assert sorted(user[-1] for user in one.affected) == ["0", "1"]
    assert one.count == 12


async def test_it_is_quiet_when_no_failure_came_for_a_window_and_goes_on_within_an_hour(world: World) -> None:
    await world.attempts(20, ago_s=40)
    watch = await world.round()
    quiet = await world.one()
    assert (quiet.phase, quiet.count) == (FindingPhase.QUIET, 20)
    await world.attempts(9)
    await world.round(watch)
    assert (await world.one()).count == 20
    await world.attempts(2)
    await world.round(watch)
    again = await world.one()
    assert (again.id, again.phase, again.count) == (quiet.id, FindingPhase.OPEN, 31)


async def test_it_is_blocked_while_the_platform_refuses_the_whole_source(world: World) -> None:
    await world.attempts(20)
    await world.attempts(20, address="2001:db8:0:7::1")
    watch = await world.round()
    v4, v6 = await world.found()
    assert (v4.source, v6.source) == (ATTACKER, "2001:db8:0:7::/64")

    async def phases(*blocks: str) -> list[str]:
        await world.platform.execute("DELETE FROM blocked_ips")
        await world.platform.executemany(
            "INSERT INTO blocked_ips (network, expires_at) VALUES ($1::text::cidr, now() + interval '1 hour')",
            [(each,) for each in blocks],
        )
        await world.round(watch)
        return [finding.phase.value for finding in await world.found()]

    assert await phases("203.0.113.201/32", "2001:db8:0:7::1/128") == ["open", "open"]
    assert await phases("203.0.113.200/32") == ["blocked", "open"]
    assert await phases("::ffff:203.0.113.200/128", "2001:db8::/48") == ["blocked", "blocked"]
    assert (await world.found())[0].blocked_until is not None
    assert await phases("203.0.113.0/24", "2001:db8:0:7::/64") == ["blocked", "blocked"]
    # What has ended holds nobody.
    await world.platform.execute("UPDATE blocked_ips SET expires_at = now()")
    await world.round(watch)
    assert [(f.phase, f.blocked_until) for f in await world.found()] == [(FindingPhase.OPEN, None)] * 2


async def test_a_block_is_followed_for_as_long_as_it_lasts(world: World) -> None:
    await world.attempts(20)
    await world.platform.execute(f"INSERT INTO blocked_ips (network) VALUES ('{ATTACKER}')")
    await world.round()
    assert (await world.one()).phase is FindingPhase.BLOCKED
    # Two hours later by the platform's times, which is longer than a finding is remembered for.
    await world.platform.execute("DELETE FROM auth_audit_log")
    later = await world.round(await older(world))
    assert (await world.one()).phase is FindingPhase.BLOCKED
    await world.platform.execute("DELETE FROM blocked_ips")
    await world.round(later)
    assert (await world.one()).phase is FindingPhase.QUIET


async def older(world: World) -> BruteForceWatch:
    """A new leader's detector, two hours after everything that the store has."""
    one = await world.one()
    [standing] = (await findings.standing(world.store, "brute_force")).live
    shift = timedelta(hours=2)
    moved = replace(
        one, first_at=one.first_at - shift, attack_at=one.attack_at - shift, last_at=one.last_at - shift
    )
    state = await findings.standing(world.store, "brute_force")
    assert state.settled_at is not None
    await findings.write(
        world.store,
        world.lease,
        "brute_force",
        revision=state.revision,
        settled_at=state.settled_at - shift,
        changed=[findings.Written(moved, {"number": standing.settled["number"], "base": None})],
    )
    return world.watch()


@pytest.mark.parametrize("seed", range(4))
async def test_a_new_leader_goes_on_at_any_moment_and_counts_each_failure_once(
    world: World, seed: int
) -> None:
    dice = random.Random(seed)
    watch: BruteForceWatch | None = None
    for _ in range(14):
        await world.attempts(dice.randint(1, 8), ago_s=dice.choice((0, 0, 0, 3, 12)), over_s=0.5)
        if dice.random() < 0.3:
            await world.attempts(1, action="authentication_success", users=4)
        watch = await world.round(watch)
        if dice.random() < 0.5:
            watch = None  # the leader is gone; the next one knows the store and the platform only
    one = await world.one()
    total = await world.platform.fetchval(
        "SELECT count(*) FROM auth_audit_log WHERE action = 'authentication_failure'"
    )
    assert one.count == await world.counted(one) == total
    kinds = [change.kind for change in await findings.history(world.store, one.id)]
    assert kinds.count("opened") == 1
    assert "again" not in kinds


async def test_a_new_leader_knows_the_failures_that_were_settled_before_it(world: World) -> None:
    world.scale = 1.0
    await world.attempts(6, ago_s=200)
    await world.round()
    state = await findings.standing(world.store, "brute_force")
    assert state.settled_at is not None
    assert await world.platform.fetchval("SELECT max(created_at) < $1 FROM auth_audit_log", state.settled_at)
    await world.attempts(4)
    await world.round()
    one = await world.one()
    assert (one.count, one.peak) == (10, 10)
    assert one.count == await world.counted(one)


async def test_a_leader_that_was_away_finds_what_went_on_meanwhile(world: World) -> None:
    await world.round()
    await world.attempts(15)
    # The first leader settled everything up to half a minute ago; 200 s pass.
    await world.platform.execute("UPDATE auth_audit_log SET created_at = created_at - interval '100 seconds'")
    state = await findings.standing(world.store, "brute_force")
    assert state.settled_at is not None
    await findings.write(
        world.store,
        world.lease,
        "brute_force",
        revision=state.revision,
        settled_at=await world.platform.fetchval("SELECT now() - interval '200 seconds'"),
    )
    await world.round()
    one = await world.one()
    assert (one.count, one.phase) == (15, FindingPhase.QUIET)


async def test_an_answer_that_was_lost_is_neither_counted_nor_told_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.attempts(20)
    watch = world.watch()
    write = findings.write

    async def lost(*args: Any, **more: Any) -> None:
        await write(*args, **more)
        raise StoreAway("the answer was lost")

    with monkeypatch.context() as patch:
        patch.setattr(findings, "write", lost)
        with pytest.raises(StoreAway):
            await world.round(watch)
    await world.attempts(5)
    await world.round(watch)
    one = await world.one()
    assert one.count == 25
    assert [c.kind for c in await findings.history(world.store, one.id)] == ["opened"]


async def test_more_than_one_page_is_read_to_its_end(world: World, tmp_path: Path) -> None:
    world.file = tmp_path / "security.yaml"
    world.file.write_text("attempts: {most: 100}\n")
    await world.attempts(1000)
    await world.round()
    assert (await world.one()).count == 1000
    # So many at one moment that a page can't pass it: some are given up, but what comes after is not.
    await world.platform.execute(
        f"""
        INSERT INTO auth_audit_log (action, ip_address, created_at)
        SELECT 'authentication_failure', inet '203.0.113.7', now() - interval '3 seconds' FROM generate_series(1, 300)
        UNION ALL SELECT 'authentication_failure', '{ATTACKER}', now() FROM generate_series(1, 5)
        """
    )
    await world.round()
    both = {f.source: f.count for f in await world.found()}
    assert both[ATTACKER] == 1005 and both["203.0.113.7"] >= 100


async def test_why_it_does_not_watch_is_told_once_and_ends(world: World) -> None:
    await world.platform.execute("ALTER TABLE auth_audit_log RENAME TO elsewhere")
    watch = await world.round()
    [detector] = await findings.detectors(world.store)
    assert (detector.reason, detector.ran_at) == ("no source: the database has no auth_audit_log", None)
    await world.round(watch)
    assert (await findings.standing(world.store, "brute_force")).revision == 1
    await world.platform.execute("ALTER TABLE elsewhere RENAME TO auth_audit_log")
    await world.attempts(10)
    await world.round(watch)
    [detector] = await findings.detectors(world.store)
    assert detector.reason == "" and detector.ran_at is not None
    await world.platform.execute("ALTER TABLE auth_audit_log RENAME TO elsewhere")
    await world.round(watch)
    # What is not seen is not called quiet.
    assert (await world.one()).phase is FindingPhase.OPEN
    await world.platform.execute("ALTER TABLE elsewhere RENAME TO auth_audit_log")
    await world.attempts(3)
    await world.round(watch)
    assert (await world.one()).count == 13


async def test_a_platform_without_a_block_list_is_watched_all_the_same(world: World) -> None:
    await world.platform.execute("DROP TABLE blocked_ips")
    await world.attempts(10)
    await world.round()
    assert (await world.one()).phase is FindingPhase.OPEN
    assert (await findings.detectors(world.store))[0].reason == ""


async def test_an_installation_names_its_own_table_and_hostile_text_stays_text(
    world: World, tmp_path: Path
) -> None:
    await world.platform.execute("CREATE TABLE entries (name text, at timestamptz, host text, who text)")
    await world.platform.execute(
        """
        INSERT INTO entries
        SELECT E'\\x1b' || n, now(), CASE n % 2 WHEN 0 THEN '203.0.113.7' ELSE E'203.0.113.7, \\x1b[2J' END, E'\\x07[/]'
        FROM generate_series(1, 20) AS n
        """
    )
    world.file = tmp_path / "security.yaml"
    world.file.write_text(
        'attempts:\n  source:\n    sql: SELECT name AS id, at, host AS address, true AS failed, who AS "user" '
        "FROM entries WHERE at > $1 LIMIT $2\nblocks: {source: {none: we block by hand}}\n"
        "detectors: {brute_force: {severity: warning, action: none}}\n"
    )
    await world.round()
    one = await world.one()
    assert (one.count, one.users, one.severity.value, one.action, one.command) == (
        10, ("␇[/]",), "warning", "", "",
    )  # fmt: skip


async def test_it_runs_until_the_lease_has_passed_on(world: World, wait_for: Callable[..., Any]) -> None:
    detectors = Detectors(Platform.open(world.settings), time_scale=SCALE, tick_s=0.1)
    task = asyncio.create_task(detectors.run(world.store, world.lease))
    await wait_for(lambda: findings.detectors(world.store))
    await world.attempts(10)
    await wait_for(world.found)
    await leases.release(world.store, world.lease)
    with pytest.raises(Fenced):
        async with asyncio.timeout(10):
            await task


# --- security.yaml ----------------------------------------------------------------------------------------------------


def test_the_shipped_file_says_what_is_specified() -> None:
    shipped = security_file.load()
    entry = shipped.brute_force
    assert (entry.rule.threshold, entry.rule.window.total_seconds()) == (10, 300)
    assert (entry.rule.again.total_seconds(), entry.severity.value) == (3600, "critical")
    assert (entry.action, entry.action_for.total_seconds()) == ("block_ip", 86400)
    assert security_file.load(time_scale=10).brute_force.rule.window.total_seconds() == 30


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("detector: {}", ":1: no such section: detector; did you mean detectors?"),
        ("detectors:\n  bruteforce: {}", ":2: no such detector: bruteforce; did you mean brute_force?"),
        ("detectors:\n  brute_force:\n    treshold: 5", ":3: no such key of a detector: treshold"),
        (
            "detectors:\n  brute_force:\n    threshold: 1",
            ":3: threshold: expected a whole number from 2 to 10000, not 1",
        ),
        ("detectors:\n  brute_force:\n    threshold: null", ":3: threshold: expected a value"),
        ("detectors:\n  brute_force:\n    window: 5", ":3: window: expected a duration"),
        ("detectors:\n  brute_force:\n    again: 1m", ":3: again: expected at least as long as the window"),
        (
            "detectors:\n  brute_force:\n    severity: high",
            ":3: severity: expected one of critical, warning, info",
        ),
        ("detectors:\n  brute_force:\n    action: blok", ":3: action: expected one of block_ip, none"),
        ("detectors:\n  brute_force:\n    for: 31d", ":3: for: expected at most"),
        ("attempts: {overlap: 1h}", ":1: overlap: expected at most 300s"),
        ("attempts: {most: 5}", ":1: most: expected a whole number from 100 to 50000"),
        ("attempts: {source: {sql: SELECT 1}}", ":1: sql: expected a statement with $1 and $2"),
        ("attempts: {source: {}}", ":1: source: expected exactly one of sql, none"),
        ("blocks: {timeout: 1m}", ":1: timeout: expected at most 10s"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "security.yaml"
    file.write_text(text)
    with pytest.raises(Misuse) as failed:
        security_file.load(file)
    assert str(failed.value).startswith(f"{file}{message}")
