"""Row 9: the rules of the specification on a running platform, and the alerts' life, through public commands.

A demo of its own whose windows and durations run 40 times as fast, so that each drill is over in seconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.demo import TRADEX, Demo

SPECIFIED = {
    "Order Execution Failure",
    "Database Connection Failure",
    "Security Breach Detection",
    "High Order Latency",
    "High Error Rate",
    "Capacity Warning",
    "Deployment Success",
    "Performance Improvement",
}
# By drill: what must fire and count, and what must not. `*` stands for everything with this beginning.
DRILLS: dict[str, tuple[set[str], set[str]]] = {
    "latency": (
        {"High Order Latency", "threshold:p95_execution_time", "threshold:avg_execution_time"},
        {
            "Order Execution Failure",
            "High Error Rate",
            "Database Connection Failure",
            "probe:*",
            "collection:*",
        },
    ),
    "errors": (
        {"Order Execution Failure"},
        {"High Order Latency", "Database Connection Failure", "threshold:p95_execution_time", "probe:*"},
    ),
    "bad-release": ({"Order Execution Failure"}, {"Database Connection Failure", "probe:*", "collection:*"}),
    "db-down": (
        {"Database Connection Failure"},
        {
            "Order Execution Failure",
            "High Error Rate",
            "High Order Latency",
            "probe:database",
            "collection:*",
        },
    ),
    "cache-down": (
        {"probe:cache"},
        {
            "Database Connection Failure",
            "Order Execution Failure",
            "probe:database",
            "probe:websocket",
            "collection:*",
        },
    ),
    "websocket-down": (
        {"probe:websocket"},
        {
            "Database Connection Failure",
            "Order Execution Failure",
            "probe:database",
            "probe:cache",
            "collection:*",
        },
    ),
    "provider-down": (
        {"probe:external_apis"},
        {"Database Connection Failure", "Order Execution Failure", "probe:database", "collection:*"},
    ),
    "cpu": (
        {"Capacity Warning", "threshold:cpu_usage"},
        {
            "Order Execution Failure",
            "High Order Latency",
            "Database Connection Failure",
            "probe:*",
            "collection:*",
        },
    ),
    "brute-force": (set(), SPECIFIED | {"probe:*", "collection:*"}),
    "rapid-orders": (set(), SPECIFIED | {"probe:*", "collection:*"}),
    "symbol-scan": (set(), SPECIFIED | {"probe:*", "collection:*"}),
}
# By drill that must fire nothing: what its actor has left in the platform's database by the time we conclude that.
EFFECTS = {
    "brute-force": """
        SELECT ip_address FROM auth_audit_log WHERE action = 'authentication_failure' AND created_at > $1
        GROUP BY 1 HAVING count(*) >= 10 AND count(DISTINCT user_id) >= 3
        """,
    "rapid-orders": """
        SELECT user_id FROM orders WHERE created_at > $1
        GROUP BY 1 HAVING count(*) >= 30 AND count(DISTINCT symbol) < 5
        """,
    "symbol-scan": """
        SELECT user_id FROM orders WHERE created_at > $1
        GROUP BY 1 HAVING count(DISTINCT symbol) >= 15 AND count(*) < 30
        """,
}


@pytest.fixture(scope="module")
def fast(quick_folder: Path) -> Iterator[Demo]:
    running = Demo(quick_folder / "alerts", "--time-scale", "40")
    try:
        running.start()
        yield running
    finally:
        running.stop()


def alerts(demo: Demo) -> list[dict[str, Any]]:
    return demo.json("alerts", "list", "--all", "--json")


def ask(demo: Demo, sql: str) -> list[Any]:
    """The first column of a statement on the store. What is waited for is asked this way, since it costs less."""

    async def fetch() -> list[Any]:
        store = await demo.store()
        try:
            return [row[0] for row in await store.fetch(sql)]
        finally:
            await store.close()

    return asyncio.run(fetch())


def happened(demo: Demo, drill: str, since: datetime) -> bool:
    """Whether the platform's own rows show what this drill does."""

    async def fetch() -> bool:
        platform = await demo.platform()
        try:
            return bool(await platform.fetch(EFFECTS[drill], since))
        finally:
            await platform.close()

    return asyncio.run(fetch())


def counting(demo: Demo) -> set[str]:
    """What fires, and nothing explains or quietens it."""
    quietened = "inhibited_by IS NOT NULL OR silence IS NOT NULL"
    return set(
        ask(demo, f"SELECT fingerprint FROM console.alert_now WHERE phase = 'firing' AND NOT ({quietened})")
    )


def quiet(demo: Demo) -> bool:
    """Nothing bad is left. Good news may be: that it got better after a drill is told half a minute longer."""
    return not ask(demo, "SELECT id FROM console.alert WHERE phase <> 'resolved' AND severity <> 'info'")


def calm(demo: Demo) -> bool:
    """Nothing is left, of whatever kind."""
    return not ask(demo, "SELECT id FROM console.alert WHERE phase <> 'resolved'")


def fits(rule: str, patterns: set[str]) -> bool:
    return any(rule == p or (p.endswith("*") and rule.startswith(p[:-1])) for p in patterns)


@pytest.mark.xdist_group("alerts")
class TestOnARunningPlatform:
    """One after another on one demo."""

    def test_a_calm_platform_has_no_alert(self, fast: Demo) -> None:
        # On a busy machine the readings may be old for a moment.
        fast.until(lambda: calm(fast) and fast.ask("status").returncode == 0, 60)
        assert fast.json("status")["alerts"] == {"critical": 0, "warning": 0, "info": 0}

    @pytest.mark.parametrize("drill", DRILLS)
    def test_a_drill_fires_what_it_must_and_nothing_else(self, fast: Demo, drill: str) -> None:
        must, must_not = DRILLS[drill]
        fast.until(lambda: quiet(fast) if must else calm(fast), 60)
        begun = datetime.fromisoformat(fast.json("status", "--json", code=None)["at"])
        assert fast.ask("drill", drill, "--for", "120").returncode == 0
        seen: set[str] = set()

        def everything() -> bool:
            nonlocal seen
            seen |= counting(fast)
            return must <= seen

        fast.until(everything, 60)
        if not must:
            fast.until(lambda: everything() and happened(fast, drill, begun))
            ticks = len(ask(fast, "SELECT at FROM console.tick"))
            fast.until(lambda: everything() and len(ask(fast, "SELECT at FROM console.tick")) > ticks + 2)
        assert not {rule for rule in seen if fits(rule, must_not)}
        assert fast.ask("drill", drill, "--stop").returncode == 0
        fast.until(lambda: quiet(fast), 60)
        fired = {
            a["rule"] for a in alerts(fast) if a["fired_at"] and datetime.fromisoformat(a["fired_at"]) > begun
        }
        assert must <= fired

    def test_from_pending_to_resolved_with_its_history(self, fast: Demo) -> None:
        fast.until(lambda: quiet(fast), 60)
        assert fast.ask("drill", "errors", "--for", "120").returncode == 0
        fast.until(lambda: "Order Execution Failure" in counting(fast), 60)
        assert fast.ask("status").returncode == 3
        shown = fast.json("alerts", "show", "Order Execution Failure", "--json")
        assert shown["summary"].startswith("Error rate is ") and "over 5" in shown["summary"]
        assert shown["value"] > 5 and shown["limit"] == 5
        assert any("drill errors started" in c["text"] for c in shown["changes_before"])
        fast.until(
            lambda: fast.json("alerts", "show", "Order Execution Failure", "--json")["diagnosis"] is not None
        )
        assert fast.ask("alerts", "ack", "Order Execution Failure", "--note", "looking").returncode == 0
        assert "Order Execution Failure" in {a["rule"] for a in alerts(fast) if a["state"] == "acknowledged"}
        silence = fast.json(
            "alerts", "silence", "Order Execution Failure", "--for", "5m", "--reason", "a drill", "--json"
        )
        assert "Order Execution Failure" in {a["rule"] for a in alerts(fast) if a["state"] == "silenced"}
        assert fast.ask("alerts", "unsilence", str(silence["id"])).returncode == 0
        # A silence takes no acknowledgement away.
        assert "Order Execution Failure" in {a["rule"] for a in alerts(fast) if a["state"] == "acknowledged"}
        assert fast.ask("drill", "--stop").returncode == 0
        fast.until(lambda: quiet(fast), 60)
        history = fast.json("alerts", "show", "Order Execution Failure", "--json")["history"]
        kinds = [h["state"] for h in reversed(history)]
        assert (
            kinds.index("pending")
            < kinds.index("firing")
            < kinds.index("acknowledged")
            < kinds.index("resolved")
        )
        assert next(h for h in history if h["state"] == "acknowledged")["actor"] == "alice"

    def test_who_may_not_is_refused_in_words(self, fast: Demo) -> None:
        for person in (["--as", "vera"], ["--read-only"]):
            answer = fast.ask(
                *person, "alerts", "silence", "--match", "severity=info", "--for", "5m", "--reason", "x"
            )
            assert answer.returncode == 4, answer
            assert len(answer.stderr.strip().splitlines()) == 1

    def test_a_broken_rule_file_keeps_the_old_rules_and_is_an_alert(self, fast: Demo) -> None:
        file = fast.state / "alert_rules.yaml"
        whole = file.read_text()
        file.write_text(whole.replace("error_rate > 5%", "eror_rate > 5%"))
        fast.until(lambda: "configuration:rules" in counting(fast))
        shown = fast.json("alerts", "show", "configuration:rules", "--json")
        assert "alert_rules.yaml:" in shown["summary"] and "error_rate" in shown["summary"]
        # The rules that were there are still judged.
        assert fast.ask("drill", "cpu", "--for", "60").returncode == 0
        fast.until(lambda: "Capacity Warning" in counting(fast), 60)
        file.write_text(whole)
        fast.until(lambda: "configuration:rules" not in counting(fast))
        assert "Capacity Warning" in counting(fast), "a rule that did not change keeps its state"
        assert fast.ask("drill", "--stop").returncode == 0

    def test_sighup_reads_the_rules_again(self, fast: Demo) -> None:
        fast.until(lambda: quiet(fast), 60)
        before = len(_reloads(fast))
        os.kill(_agent_of(fast), signal.SIGHUP)
        fast.until(lambda: len(_reloads(fast)) > before)

    def test_logs_are_followed(self, fast: Demo) -> None:
        argv = [*TRADEX, "logs", "--follow", "--source", "functions", "-n", "1", "--json"]
        begun = datetime.fromisoformat(fast.json("status", code=None)["at"])
        with subprocess.Popen(argv, env=fast.env, stdout=subprocess.PIPE, text=True) as follower:
            watchdog = threading.Timer(30, follower.kill)
            watchdog.start()
            try:
                assert follower.stdout is not None
                lines = map(json.loads, follower.stdout)
                newer = next(line for line in lines if datetime.fromisoformat(line["at"]) > begun)
                later = next(line for line in lines if line["id"] > newer["id"])
                follower.send_signal(signal.SIGINT)
                assert follower.wait(10) == 130
            finally:
                watchdog.cancel()
                follower.kill()
        for line in (newer, later):
            assert {"at", "source", "level", "text"} <= set(line)
            assert line["source"] == "functions"


@pytest.mark.xdist_group("alerts")
def test_the_specified_rules_load_and_replay(tmp_path: Path, fast: Demo) -> None:
    checked = fast.ask("rules", "check", str(fast.state / "alert_rules.yaml"))
    assert checked.returncode == 0
    assert all(name in checked.stdout for name in SPECIFIED)
    samples = tmp_path / "samples.jsonl"
    rows = [
        {"t": t, "metric": "error_rate", "value": 60 if 300 <= t < 900 else 0.2} for t in range(0, 1500, 30)
    ]
    samples.write_text("\n".join(json.dumps(r) for r in rows))
    transitions = fast.json(
        "rules", "replay", str(fast.state / "alert_rules.yaml"), "--samples", str(samples), "--json"
    )
    mine = [(t["at"], t["from"], t["to"]) for t in transitions if t["rule"] == "Order Execution Failure"]
    assert mine == [(300, "inactive", "pending"), (420, "pending", "firing"), (900, "firing", "inactive")]


def _agent_of(demo: Demo) -> int:
    """The agent's process: of those that carry its command line (its warden's among them) the one that runs it."""
    config = str(demo.state / "agent.toml")
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words[1:3] == ["-m", "console.cli"] and config in words:
            return process.pid
    raise AssertionError("no agent runs")


def _reloads(demo: Demo) -> list[str]:
    log = demo.state / "logs" / "agent.log"
    return [line for line in log.read_text().splitlines() if "rule files" in line]
