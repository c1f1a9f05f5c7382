"""Real agents on a real store: exactly one leads, and a deposed one writes nothing."""

import signal
from collections.abc import Callable
from typing import Any

from tests.agent.conftest import Watch


def test_an_agent_leads_and_ticks_on_its_grid_and_ends_cleanly(
    watch: Watch, until: Callable[..., Any]
) -> None:
    agent = watch.agent("a1")
    until(lambda: watch.ticks() >= 4, 30)
    assert watch.leader() == "a1"
    # The first one came at once.
    for row in watch.sql("SELECT at FROM console.tick ORDER BY at OFFSET 1"):
        assert row["at"].timestamp() % 0.5 == 0
    agent.kill(signal.SIGTERM)
    assert agent.process.wait(20) == 0
    assert watch.leader() is None, "the lease is handed back, not left to expire"
    assert b"Traceback" not in agent.log.read_bytes()


def test_of_two_agents_one_leads_and_the_other_takes_over_after_a_kill(
    watch: Watch, until: Callable[..., Any]
) -> None:
    agents = {"a1": watch.agent("a1"), "a2": watch.agent("a2")}
    first = until(watch.leader, 30)
    other = "a2" if first == "a1" else "a1"
    until(lambda: watch.ticks() >= 2, 30)
    until(lambda: watch.sql("SELECT 1 FROM console.presence WHERE name = $1", other), 30)
    agents[first].kill(signal.SIGKILL)
    until(lambda: watch.leader() == other, 30)
    ticks = watch.ticks()
    until(lambda: watch.ticks() > ticks, 30)


def test_a_leader_that_slept_through_its_lease_writes_nothing_when_it_wakes(
    watch: Watch, until: Callable[..., Any]
) -> None:
    first = watch.agent("a1")
    until(lambda: watch.ticks() >= 2, 30)
    second = watch.agent("a2")
    until(lambda: watch.sql("SELECT 1 FROM console.presence WHERE name = 'a2'"), 30)
    first.kill(signal.SIGSTOP)
    until(lambda: watch.leader() == "a2", 30)
    ticks = watch.ticks()
    until(lambda: watch.ticks() > ticks, 30)
    fence = watch.sql("SELECT fence FROM console.lease")[0]["fence"]
    first.kill(signal.SIGCONT)
    until(lambda: b"lost the lease" in first.log.read_bytes(), 30)
    assert watch.leader() == "a2"
    assert watch.sql("SELECT fence FROM console.lease")[0]["fence"] == fence
    assert second.process.poll() is None
    assert first.process.poll() is None, "it stands by from now on"


def test_what_is_read_after_the_agent_stood_still_is_not_told_of_the_time_before(
    watch: Watch, until: Callable[..., Any]
) -> None:
    agent = watch.agent("a1")
    until(lambda: watch.ticks() >= 2, 30)
    agent.kill(signal.SIGSTOP)
    stopped = watch.sql("SELECT clock_timestamp() AS at")[0]["at"]
    # Twelve ticks long.
    until(
        lambda: watch.sql("SELECT clock_timestamp() > $1::timestamptz + interval '6 s' AS over", stopped)[0][
            "over"
        ],
        30,
    )
    agent.kill(signal.SIGCONT)
    until(
        lambda: watch.sql("SELECT FROM console.tick WHERE at > $1::timestamptz + interval '6 s'", stopped), 30
    )
    missing = (
        "SELECT at FROM console.tick WHERE at > $1::timestamptz AND at < $1::timestamptz + interval '4 s'"
    )
    assert watch.sql(missing, stopped) == []


def test_an_agent_waits_for_a_store_that_is_away_and_goes_on_after_a_restart_of_it(
    watch: Watch, until: Callable[..., Any]
) -> None:
    agent = watch.agent("a1")
    until(lambda: watch.ticks() >= 1, 30)
    watch.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'auto' AND datname = current_database()"
    )
    ticks = watch.ticks()
    until(lambda: watch.ticks() > ticks, 30)
    assert agent.process.poll() is None


def test_a_login_that_is_no_agent_is_told_so_in_one_line(watch: Watch) -> None:
    watch.sql("REVOKE console_agent FROM auto")
    agent = watch.agent("a1")
    assert agent.process.wait(30) == 1
    said = agent.log.read_text()
    assert "Traceback" not in said
    assert len([line for line in said.splitlines() if line.startswith("tradex:")]) == 1
    watch.sql("GRANT console_agent TO auto")


def test_an_agent_without_a_platform_writes_why_each_metric_has_no_value(
    watch: Watch, until: Callable[..., Any]
) -> None:
    watch.agent("a1")
    until(lambda: watch.ticks() >= 1, 30)
    row = watch.sql("SELECT numbers, texts FROM console.tick ORDER BY at DESC LIMIT 1")[0]
    assert all(n is None for n in row["numbers"])
    assert any(t and "no source" in t for t in row["texts"])
