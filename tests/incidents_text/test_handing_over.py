"""What is handed over: everything that runs, ends or is late, and nothing that does not matter."""

from dataclasses import replace
from datetime import timedelta

import pytest
from markdown_it import MarkdownIt

from console.domain.action import Action, ActionState, Effect, Freeze, Glass
from console.domain.alert import Matcher, Phase, Silence
from console.domain.book import Done, Mark, Marked, Step
from console.domain.duties import Run, Standing
from console.domain.event import Severity
from console.domain.finding import Finding, FindingPhase
from console.domain.incident import FollowUp
from console.domain.metric import Direction, MetricSpec
from console.domain.release import Release, ReleaseState
from console.domain.snapshot import AgentState
from console.incidents.handing_over import Shift, Trend, odd, render
from tests.incidents_text.cases import ALERT, BARE, CLOSED, HOSTILE, RATE, at
from tests.store.stores import NOON

LEADS = AgentState("a1", 3, at(-60))
OPEN = replace(CLOSED, mitigated_at=None, mitigated_by=None, closed_at=None, next_update_at=at(50))
FIRES = replace(ALERT, phase=Phase.FIRING, resolved_at=None)
ITEM = Marked(1, Step("Look"), Mark(Done.DONE, "vera", at(0)))


def run(name: str, due: float, *, late: float = 60, ended: float | None = None) -> Standing:
    items = (ITEM, Marked(2, Step("Look again")))
    made = Run(1, name, name, "daily", at(due - 60), at(due), at(due + late), "vera", items)
    return Standing(name, name, "daily", replace(made, ended_at=None if ended is None else at(ended)))


def block(number: int, until: float | None) -> Effect:
    ends = None if until is None else at(until)
    return Effect(number, "block_ip", "203.0.113.7", 30, "it attacks", "alice", at(0), ends)


FINDING = Finding(
    *(3, "brute_force", Severity.CRITICAL, "203.0.113.9", FindingPhase.OPEN, at(0), at(0), at(0)),
    *(at(0), at(0), at(0)),
    count=12,
    peak=12,
    threshold=10,
    window=timedelta(minutes=5),
)
FULL = Shift(
    at(60),
    LEADS,
    at(60),
    incidents=(OPEN, replace(BARE, alerts=(8,))),
    left=(
        (9, "Prices were old", FollowUp(4, "Give the cache a floor", "alice", "bob", at(-60 * 24 * 3))),
        (11, "Logins fail", FollowUp(5, "Tell the partner", "", "bob", at(0))),
    ),
    alerts=(
        replace(FIRES, id=1, rule="Alone"),
        replace(FIRES, id=2, acknowledged_by="bob", acknowledged_at=at(20)),
        replace(FIRES, id=3, inhibited_by="Alone"),
        replace(FIRES, id=4, inhibited_by="Alone"),
        replace(FIRES, id=5, silence=1),
        replace(FIRES, id=7, rule="Joined"),
        replace(FIRES, id=8, rule="Left"),
    ),
    findings=(FINDING, replace(FINDING, id=4, source="203.0.113.10", phase=FindingPhase.BLOCKED)),
    silences=(
        Silence(1, (Matcher("rule", "=", "Slow"),), "bob", "load test", at(0), at(90)),
        Silence(2, (Matcher("rule", "=", "Old"),), "bob", "moved", at(0), at(60 * 24)),
    ),
    effects=(block(1, 120), block(2, None)),
    actions=(
        replace(
            Action(31, "failover", "replica", {}, "slow", ActionState.CONFIRMED, "alice", at(50)),
            needs_approval="it takes two",
        ),
    ),
    checklists=(
        run("Nightly", due=-60),
        run("Morning", due=30),
        run("Noon", due=90),
        run("Next week", due=60 * 24 * 7),
        replace(run("Evening", due=0, ended=5), next_due_at=at(60 * 8)),
        replace(run("Monthly", due=0, ended=5), next_due_at=at(60 * 24 * 20)),
    ),
    trends=(Trend(RATE, 0.9, 0.3, None),),
    releases=(
        Release(5, "v2.9.0", "a" * 40, ReleaseState.LIVE, at(10), "bob"),
        Release(4, "v2.8.0", "b" * 40, ReleaseState.GOOD, at(-60 * 24), "bob"),
    ),
    freezes=(Freeze(1, at(120), at(600), "quarter's end", "bob"),),
    glass=(Glass(1, "alice", "alone at night", at(50), at(80)),),
    specs={"error_rate": RATE},
)


def sections(text: str) -> dict[str, list[str]]:
    """Lines by headline."""
    parts = text.split("\n## ")[1:]
    return {
        part.partition("\n")[0]: [x[2:] for x in part.splitlines() if x.startswith("- ")] for part in parts
    }


def test_everything_that_matters_is_told_with_its_end() -> None:
    told = sections(render(FULL))
    assert told == {
        "Incidents (2)": [
            "**INC-12** level 1: Orders fail; open for 59m, commander bob, 3 of 4 steps, "
            "next update 12:50 (late), 2 open follow-ups",
            "**INC-13** level 3: Something is odd; open for 59m, no commander, nobody has acknowledged it",
        ],
        "Left to do of closed incidents (2)": [
            "**INC-9** Prices were old: Give the cache a floor; alice, open for 3d",
            "**INC-11** Logins fail: Tell the partner; nobody has it, open for 1h",
        ],
        "Alerts (6)": [
            "warning **Alone** for 1h: Error rate is 8.00 %, over 5 %; nobody has acknowledged it",
            "warning **High Error Rate** for 1h: Error rate is 8.00 %, over 5 %; acknowledged by bob, 12:20",
            "warning **Joined** for 1h: Error rate is 8.00 %, over 5 %; INC-12, bob",
            "warning **Left** for 1h: Error rate is 8.00 %, over 5 %; INC-13, which nobody has acknowledged",
            "1 more silenced",
            "2 more explained by another one",
        ],
        "Attacks (1)": [
            "critical **brute force** from 203.0.113.9: 12 failed log-ins of 0 accounts, at most 12 within 5m"
        ],
        "Silences that end within 12 hours (1)": ['13:30 UTC, in 30m: rule="Slow"; bob: load test'],
        "In force on the platform (2)": [
            "**block-ip 203.0.113.7** until 14:00 UTC; alice: it attacks",
            "**block-ip 203.0.113.7** no end; alice: it attacks",
        ],
        "Under way (2)": [
            "action 31 **failover replica** is confirmed, waits for a second person: it takes two",
            "**alice broke the glass** until 13:20 UTC: alone at night",
        ],
        "Checklists (5)": [
            "**Nightly** overdue for 1h, 1 of 2 done, due 11:00 UTC, vera",
            "**Morning** due, 1 of 2 done, due 12:30 UTC, vera",
            "**Noon** open, 1 of 2 done, due 13:30 UTC, vera",
            "**Next week** open, 1 of 2 done, due 2026-03-17 12:00 UTC, vera",
            "**Evening** comes next, due 20:00 UTC",
        ],
        "Odd trends (1)": ["**Error rate** 0.90 % in the last hour; the hour before 0.30 %; limit 5.00 %"],
        "Deployments of the last 12 hours (1)": ["**v2.9.0** live, 12:10 UTC, bob"],
        "Freezes (1)": ["from 14:00 UTC until 22:00 UTC; bob: quarter's end"],
    }


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        (
            replace(FULL, agent=AgentState(since=at(30))),
            "No agent leads since 12:30 UTC: nothing is watched.",
        ),
        (
            replace(FULL, agent=replace(LEADS, judging=False)),
            "No rule is evaluated: the agent's log says why.",
        ),
        (Shift(NOON, LEADS), "No tick was taken yet."),
    ],
)
def test_a_watch_that_does_not_watch_is_told_first(shift: Shift, words: str) -> None:
    assert render(shift).splitlines()[2] == f"**{words}**"


def test_nothing_is_said_where_there_is_nothing_and_long_lists_are_cut() -> None:
    assert all(lines == ["nothing"] for lines in sections(render(Shift(NOON, LEADS, NOON))).values())
    many = sections(render(Shift(NOON, LEADS, NOON, alerts=[replace(FIRES, id=i) for i in range(500)])))
    assert len(many["Alerts (500)"]) == 21 and many["Alerts (500)"][-1] == "and 480 more"
    # The worst of nights can be handed over, too.
    loud = [replace(FIRES, id=i, summary="it fails " * 55) for i in range(500)]
    blocks = [replace(block(i, 120), reason="it attacks " * 45) for i in range(500)]
    worst = render(Shift(NOON, LEADS, NOON, alerts=loud, effects=blocks))
    assert (
        len(worst) <= 20_000 and {"Alerts (500)", "In force on the platform (500)"} < sections(worst).keys()
    )


def test_a_trend_is_odd_when_it_is_worse_than_before_or_yesterday_by_more_than_a_fifth() -> None:
    low = MetricSpec("hits", "Hits", "%", "c", "sql", "", warning=90, critical=80, direction=Direction.LOW)
    free = MetricSpec("users", "Users", "count", "u", "sql", "")

    def found(spec: MetricSpec, now: float | None, before: float | None, yesterday: float | None) -> bool:
        return bool(odd([spec], {spec.name: now}, {spec.name: before}, {spec.name: yesterday}))

    assert found(RATE, 2.0, 1.0, 2.0) and found(RATE, 2.0, 2.0, 1.0) and found(RATE, 2.0, None, 1.0)
    assert (
        not found(RATE, 1.2, 1.0, 1.0) and not found(RATE, 1.0, 2.0, 2.0) and not found(RATE, 2.0, None, None)
    )
    assert not found(RATE, None, 1.0, 1.0)
    # A fivefold nothing is nothing.
    assert not found(RATE, 0.2, 0.04, 0.04)
    assert found(RATE, 0.5, 0.0, None)
    assert found(low, 75, 97, 97) and not found(low, 97, 75, 75)
    assert not found(free, 900, 1, 1)


def test_what_is_nearest_to_its_limit_comes_first() -> None:
    other = replace(RATE, name="other")
    specs, now, before = [RATE, other], {"error_rate": 2.0, "other": 4.9}, {"error_rate": 1.0, "other": 1.0}
    assert [trend.spec.name for trend in odd(specs, now, before, {})] == ["other", "error_rate"]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_was_written_changes_its_form(text: str) -> None:
    bad = replace(
        FULL,
        incidents=[replace(OPEN, title=text, follow_ups=(FollowUp(1, text, text, text, at(0)),))],
        left=[(1, text, FollowUp(1, text, text, text, at(0)))],
        alerts=[replace(FIRES, rule=text, summary=text)],
        silences=[replace(FULL.silences[0], reason=text)],
        effects=[replace(block(1, 90), target=text, reason=text)],
        freezes=[replace(FULL.freezes[0], reason=text)],
    )
    tokens = MarkdownIt("commonmark").parse(render(bad))
    kinds = [t.type for t in tokens if t.type.endswith("_open")]
    assert kinds.count("heading_open") == 12 and kinds.count("bullet_list_open") == 11
    assert not {"fence", "html_block", "code_block", "hr"} & {t.type for t in tokens}
    assert "\x1b" not in render(bad) and "\u202e" not in render(bad)
