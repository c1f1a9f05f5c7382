"""Whether items of checklists hold, asked of a real store: conditions, checks, health, alerts of the night, trends."""

from dataclasses import replace
from datetime import datetime, timedelta

from console.alerting.engine import Engine
from console.domain.book import Step
from console.domain.check import CheckResult, CheckStatus
from console.domain.health import Status
from console.evidence import Evidence
from console.store import alerts, checks, incidents, ticks
from tests.alerting import recorded
from tests.alerting.recorded import SPECS, TICK, row
from tests.store.stores import NOON, Place, check

OPENED = NOON - timedelta(hours=3)


class Asking:
    """One store, asked in words: `+ evidence` for what holds, `- words` for what does not."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    async def __call__(self, now: datetime = NOON, **step: str) -> str:
        found = await self._evidence.of(Step("x", **step), OPENED, now)  # pyright: ignore[reportArgumentType]
        return f"{'+' if found.good else '-'} {found.evidence}"


async def test_conditions_and_health_go_by_the_latest_tick(place: Place) -> None:
    async with place.open("auto") as store:
        ask = Asking(Evidence(store))
        few = "error_rate < 1%"
        assert await ask(holds=few) == "- no source: no readings yet"
        assert await ask(evidence="health") == "- no source: no readings yet"
        day = NOON - timedelta(days=1)
        await recorded.record(place, [row(day - TICK, error_rate=0.2), row(NOON - TICK, error_rate=0.06)])
        assert await ask(holds=few) == "+ Error rate is 0.06 %, under 1 %"
        assert await ask(holds="error_rate < 0.05%") == "- Error rate is 0.060 %, not under 0.05 %"
        both = "error_rate < 1% and cpu_usage < 20%"
        assert await ask(holds=both) == "- Cpu usage is 30 %, not under 20 %"
        assert (await ask(holds="error_rate <= previous_day")).startswith(
            "+ Error rate is 0.06 %, at most 0.20 %"
        )
        assert (
            await ask(holds="error_rat < 1%")
            == "- no source: no such metric: error_rat; did you mean error_rate?"
        )
        assert await ask(holds="deployment_status == 'success'") == "- Deployment status is , not success"
        assert (
            await ask(NOON + timedelta(minutes=4), holds=few) == "- no source: the last readings are 4m old"
        )
        await recorded.record(place, [row(NOON, error_rate=None)])
        assert await ask(holds=few) == "- no source: Error rate: no data"
    async with place.leader() as (store, lease):
        ask = Asking(Evidence(store))
        specs, values = list(SPECS), row(NOON + TICK, error_rate=0.5)[1]
        catalogue = await ticks.ensure_catalogue(store, lease, specs)
        for status in (Status.DEGRADED, Status.OK):
            moment = NOON + TICK * (2 if status is Status.OK else 1)
            probes = [check("database", Status.OK, moment), check("cache", status, moment, "slow")]
            await ticks.write_tick(
                store, lease, at=moment, catalogue_id=catalogue, values=values, checks=probes
            )
            told = await ask(moment, evidence="health")
            good = "+ all 2 components answer, error rate 0.50 %"
            assert told == (good if status is Status.OK else "- degraded: cache degraded: slow")


async def test_the_night_is_quiet_when_nobody_was_left_alone_with_an_alert(place: Place) -> None:
    await recorded.record(
        place, [row(NOON + TICK * i, cpu_usage=99.0 if i < 40 else 30.0) for i in range(60)]
    )
    async with place.leader() as (store, lease), place.open("alice") as alice:
        ask = Asking(Evidence(store))
        assert await ask(evidence="alerts") == "+ no critical alert and no warning since 10 Mar 00:00"
        engine = Engine(recorded.rulebook())
        await engine.catch_up(store, lease, until=NOON + TICK * 30)
        fired = [a for a in await alerts.current(store, resolved_since=NOON) if a.fired_at is not None]
        counting = [a for a in fired if a.counts and str(a.severity) != "info"]
        assert counting
        told = await ask(NOON + TICK * 30, evidence="alerts")
        assert (
            told.startswith(f"- {len(counting)} alert")
            and "since 10 Mar 00:01 acknowledged by nobody: " in told
        )
        # One that belongs to an incident is taken on with it, also when it joins once somebody works on that.
        number = await incidents.open_by_hand(alice, "orders fail", 2, alerts=[counting[0].id])
        assert (await ask(NOON + TICK * 30, evidence="alerts")) == told, "nobody works on it"
        await place.owner(
            "UPDATE console.incident SET acknowledged_at = now(), acknowledged_by = 'bob' WHERE id = $1",
            number,
        )
        joined = await ask(NOON + TICK * 30, evidence="alerts")
        if len(counting) == 1:
            assert joined.endswith(f"all acknowledged or taken on (INC-{number}, bob)")
        else:
            assert joined.startswith(f"- {len(counting) - 1} alert")
        await alerts.acknowledge(alice, [a.id for a in counting], "a load test")
        seen = await ask(NOON + TICK * 30, evidence="alerts")
        assert seen.startswith(f"+ {len(counting)} alert") and seen.endswith(
            "since 10 Mar 00:01, all acknowledged"
        )
        # After they are resolved, too, and no more when that is long ago.
        await engine.catch_up(store, lease, until=NOON + TICK * 59)
        assert (await ask(NOON + TICK * 59, evidence="alerts"))[0] == "+"
        # What was before the list opened is another one's.
        later = NOON + timedelta(hours=20)
        found = await Evidence(store).of(Step("x", evidence="alerts"), later, NOON + timedelta(hours=24))
        assert found.evidence == "no critical alert and no warning since 11 Mar 00:00"


async def test_trends_stand_beside_the_same_hour_of_the_day_before(place: Place) -> None:
    async with place.open("auto") as store:
        ask = Asking(Evidence(store))
        hour = [NOON - TICK * i for i in range(5, 0, -1)]
        await recorded.record(place, [row(at) for at in hour])
        assert await ask(evidence="trends") == "- no source: no readings of the same hour a day before"
        day = timedelta(days=1)
        before = {"error_rate": 0.0, "cpu_usage": 25.2, "redis_hit_pct": 99.0}
        await recorded.record(place, [row(at - day, **before) for at in hour])
        # Errors come from nothing, and are more than a twentieth of their threshold.
        told = await ask(evidence="trends")
        assert told == "- worse than a day before: Error rate 0.30 %, was 0.00 %"
        # Next to nothing is no trend.
        await place.owner("UPDATE console.tick SET numbers[1] = 0.1 WHERE at > $1", NOON - timedelta(hours=1))
        told = await ask(evidence="trends")
        assert told == (
            "+ 5 figures beside a day before: none a fifth worse, at most 19 % (Cpu usage 30 %, was 25 %)"
        )


async def test_a_check_counts_for_a_day_with_what_a_person_said_of_it(place: Place) -> None:
    async with place.open("alice") as alice:
        ask = Asking(Evidence(alice))
        now = await alice.now()
        nobody = "- no source: db.backups was not run in the last 24 h, `tradex validate` does"
        assert await ask(now, check="db.backups") == nobody
        made = CheckResult("db.backups", "Backups", "db", CheckStatus.MANUAL, "by hand: a restore test", 1.0)
        await checks.keep(alice, "pre", [made], took=timedelta(seconds=1))
        assert (await ask(now, check="db.backups")).startswith("- db.backups manual at ")
        seen = replace(made, evidence="the newest backup is 2h old; by hand: a restore test")
        await checks.keep(alice, "pre", [seen], took=timedelta(seconds=1))
        assert (await ask(now, check="db.backups")).startswith("+ the newest backup is 2h old (db.backups, ")
        await checks.tick(alice, "db.backups", "restored 41 GB")
        told = await ask(await alice.now(), check="db.backups")
        assert told.startswith("+ the newest backup is 2h old; alice, ") and "restored 41 GB" in told
        assert await ask(now + timedelta(hours=25), check="db.backups") == nobody
        # Nobody could ask: that is neither good nor bad.
        away = CheckResult(
            "env.tables", "Tables", "env", CheckStatus.WARNING, "no source: connection refused", 1.0
        )
        await checks.keep(alice, "env", [away], took=timedelta(seconds=1))
        found = await Evidence(alice).of(Step("Tables", check="env.tables"), now, await alice.now())
        assert found.sourceless and found.evidence.endswith(": no source: connection refused")
