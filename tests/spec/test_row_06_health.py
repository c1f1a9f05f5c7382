"""Row 6: probe each component, read the platform's own /health, and offer the same shape for the agent."""

import json
import re
import subprocess
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.demo import TRADEX, Demo

COMPONENTS = {
    "database",
    "cache",
    "external_apis",
    "edge_functions",
    "edge_functions/execute-order",
    "edge_functions/get-stock-price",
    "edge_functions/risk-monitoring",
    "websocket",
    "platform",
}
SHAPE = {"status", "timestamp", "uptime", "version", "environment", "checks"}
CHECKS = {"database", "redis", "external_apis", "edge_functions", "websocket"}


def get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_status_says_how_every_component_is(demo: Demo) -> None:
    def healthy() -> Any:
        answer = demo.json("status", code=None)
        agent = answer["agent"]
        # On a machine that is busy enough the lease may lapse for a moment.
        fresh = answer["overall"] == "healthy" and agent["data_age_s"] < 6 and agent["leader"]
        return answer if fresh and all(c["status"] == "ok" for c in answer["components"]) else None

    status = demo.until(healthy, 60)
    assert {c["name"] for c in status["components"]} == COMPONENTS
    for component in status["components"]:
        assert component["latency_ms"] > 0
        assert component["at"].endswith("Z")
    assert status["environment"] == "sandbox"
    assert status["agent"]["leader"] == "agent-1"
    assert status["agent"]["fence"] >= 1
    assert status["alerts"].keys() == {"critical", "warning", "info"}


@pytest.mark.parametrize(
    "drills",
    [
        {"db-down": "database"},
        {"cache-down": "cache", "websocket-down": "websocket", "provider-down": "external_apis"},
    ],
    ids=["database", "others"],
)
def test_components_that_fail_are_seen_and_their_recovery_too(demo: Demo, drills: dict[str, str]) -> None:
    for drill in drills:
        assert demo.ask("drill", drill, "--for", "60").returncode == 0
    for component in drills.values():
        bad = {"degraded", "down"} if component == "external_apis" else {"down"}
        seen = demo.until(
            lambda c=component, b=bad: s if (s := demo.components()[c])["status"] in b else None
        )
        assert seen["detail"]
    assert demo.components()["platform"]["status"] in {"degraded", "down"}
    assert demo.ask("drill", "--stop").returncode == 0
    demo.until(lambda: all(c["status"] == "ok" for c in demo.components().values()))


def test_the_platforms_own_health_is_answered_in_the_specified_shape(demo: Demo) -> None:
    code, body = get(f"{demo.info['platform_url']}/health")
    assert code == 200
    assert body.keys() >= SHAPE
    assert body["checks"].keys() == CHECKS
    assert {"status", "latency", "details"} <= body["checks"]["database"].keys()


def test_the_agent_answers_in_the_same_shape(demo: Demo) -> None:
    agent = subprocess.Popen(
        [
            *TRADEX,
            "--config",
            str(demo.state / "agent.toml"),
            "agent",
            "--name",
            "spare",
            "--health-port",
            "0",
        ],
        env=demo.env,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert agent.stderr is not None
        port = next(m[1] for line in agent.stderr if (m := re.search(r"127\.0\.0\.1:(\d+)", line)))
        code, body = get(f"http://127.0.0.1:{port}/health")
        assert code == 200
        assert body.keys() >= SHAPE
        assert body["checks"].keys() == CHECKS
        assert body["agent"]["leads"] is False
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert b"tradex_agent_leads 0" in answer.read()
    finally:
        agent.terminate()
        assert agent.wait(20) == 0
