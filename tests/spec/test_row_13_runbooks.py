"""Row 13: runbooks whose steps are ticked and, where a step is an action, started; on a running platform, through
public commands. (tests/runbooks/test_specified.py lists what the specification asks of them item by item.)"""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.demo import Demo

ORDERS = "order-execution-failure"
RULE = "Database Connection Failure"


def incidents(demo: Demo) -> dict[str, dict[str, Any]]:
    """Those with this runbook that are not over, by name."""
    return {
        each["name"]: each
        for each in demo.json("incident", "list")
        if ORDERS in [book["name"] for book in each["runbooks"]]
    }


def steps(demo: Demo, name: str) -> list[dict[str, Any]]:
    (book,) = [b for b in demo.json("incident", "show", name)["runbooks"] if b["name"] == ORDERS]
    return book["steps"]


def test_both_runbooks_are_there_with_all_their_parts(demo: Demo) -> None:
    for name, people in (
        (ORDERS, ["Technical team", "Engineering manager", "CTO"]),
        ("security-breach", ["Security team", "Management", "Legal and compliance"]),
    ):
        book = demo.json("runbook", "show", name)
        parts = Counter(step["part"] for step in book["steps"])
        assert len(book["symptoms"]) >= 3 and all(
            parts[p] >= 4 for p in ("immediate", "investigation", "resolution")
        )
        assert [rung["who"] for rung in book["ladder"]] == people


def test_every_action_that_a_step_names_can_be_started_here(demo: Demo) -> None:
    kinds = {kind["name"]: kind for kind in demo.json("actions", "kinds")}
    named = {
        step["does"]["name"]
        for book in demo.json("runbook", "list")
        for step in book["steps"]
        if step["does"] is not None and step["does"]["what"] == "action"
    }
    assert named >= {"failover", "rollback", "switch_provider", "clear_cache", "block_ip", "suspend_account"}
    assert {name for name in named if kinds[name]["unavailable"]} == set()


def test_a_database_that_is_down_opens_an_incident_whose_steps_are_ticked_and_started(demo: Demo) -> None:
    # What fires joins an open incident with the same runbook.
    for left in demo.json("incident", "list"):
        assert demo.ask("incident", "close", left["name"], "--resolution", "another test's").returncode == 0
    before = incidents(demo).keys()
    assert demo.ask("drill", "db-down", "--for", "60").returncode == 0
    name = demo.until(lambda: next(iter(incidents(demo).keys() - before), None), 60)
    assert demo.ask("drill", "--stop").returncode == 0
    made = demo.json("incident", "show", name)
    rules = {alert["id"]: alert["rule"] for alert in demo.json("alerts", "list", "--all")}
    assert RULE in [rules[number] for number in made["alerts"]]
    # The agent ticks what holds by itself; nobody else was there.
    assert made["level"] == 1 and {step["by"] for step in steps(demo, name)} <= {None, "auto"}
    assert demo.ask("runbook", "tick", name, "1", "--note", "no component is down").returncode == 0
    assert demo.ask("runbook", "tick", name, "8", "--skip", "--note", "nobody wrote yet").returncode == 0
    (clear,) = [step for step in steps(demo, name) if "clear it" in step["text"]]
    started = demo.json("actions", "start", "clear_cache", "--reason", f"{name}, step {clear['id']}", "--yes")
    assert started["state"] == "done"
    assert demo.ask("runbook", "tick", name, str(clear["id"])).returncode == 0
    (again,) = [step["id"] for step in steps(demo, name) if step["text"] == "Orders go through again"]
    demo.until(lambda: steps(demo, name)[again - 1]["by"] == "auto")
    said = {step["id"]: step for step in steps(demo, name) if step["state"] != "open"}
    assert said.pop(again)["note"].startswith("Error rate is ")
    assert {number: (step["state"], step["note"]) for number, step in said.items()} == {
        1: ("done", "no component is down"),
        8: ("skipped", "nobody wrote yet"),
        clear["id"]: ("done", None),
    }
    assert {step["by"] for step in said.values()} == {demo.info["person"]}
    assert demo.ask("incident", "close", name, "--resolution", "a drill").returncode == 0
    assert name not in {each["name"] for each in demo.json("incident", "list")}
