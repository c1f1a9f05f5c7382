"""Row 14: daily, weekly and monthly checklists: due dates, who ticked what, when and with which note; on a running
platform, through public commands. (tests/runbooks/test_specified.py lists their items.)"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import console
from tests.demo import Demo

DAILY, WEEKLY, NOW = "daily-health-checks", "weekly-maintenance", "health-checks-of-this-hour"
SHIPPED = Path(console.__file__ or "").parent / "defaults" / "checklists"


def items(demo: Demo, name: str) -> list[dict[str, Any]]:
    return demo.json("checklist", "show", name)["items"]


def test_each_rhythm_has_its_list_and_the_list_its_next_due_date(demo: Demo) -> None:
    # The leading agent works out when they are due once it has published them.
    lists = demo.until(
        lambda: (
            (found := {each["id"]: each for each in demo.json("checklist")})
            and all(each["next_due_at"] for each in found.values())
            and found
        )
    )
    assert {each["rhythm"] for each in lists.values()} == {"daily", "weekly", "monthly"}
    assert {DAILY, WEEKLY, "monthly-reviews"} <= lists.keys()


async def test_what_people_say_of_the_items_of_a_list_ends_it_and_stays(demo: Demo) -> None:
    demo.until(lambda: demo.ask("checklist", "start", WEEKLY).returncode == 0)
    first, *others = [item for item in items(demo, WEEKLY) if item["state"] == "open"]
    refused = demo.ask("checklist", "skip", WEEKLY, str(first["id"]), "--note", " ")
    assert refused.returncode == 2 and len(refused.stderr.strip().splitlines()) == 1
    assert (
        demo.ask("checklist", "skip", WEEKLY, str(first["id"]), "--note", "no patch is out").returncode == 0
    )
    for item in others:
        assert demo.ask("checklist", "tick", WEEKLY, str(item["id"]), "--note", "seen").returncode == 0
    ended = demo.json("checklist", "show", WEEKLY)
    assert (ended["state"], ended["done"]) == ("done", ended["total"])
    store = await demo.store()
    try:
        said = await store.fetch(
            "SELECT place, state, author, note FROM console.checklist_mark_change WHERE run_id = $1 ORDER BY place",
            ended["id"],
        )
        told = await store.fetchval("SELECT count(*) FROM console.event WHERE kind = 'checklist'")
    finally:
        await store.close()
    person = demo.info["person"]
    assert [tuple(row) for row in said if row["author"] == person] == [
        (first["id"], "skipped", person, "no patch is out"),
        *((item["id"], "done", person, "seen") for item in others),
    ]
    assert told >= 1
    (run,) = [run for run in demo.json("checklist", "history", WEEKLY) if run["id"] == ended["id"]]
    assert run["state"] == "done"
    assert "no patch is out" in demo.ask("checklist", "history", WEEKLY, "--markdown").stdout
    assert "no patch is out" in demo.ask("checklist", "history", WEEKLY, "--csv").stdout


async def test_the_agent_ticks_what_it_can_see_with_its_evidence(demo: Demo) -> None:
    # The daily one, of this hour whatever the hour is: the agent ticks nothing before its time.
    shipped = (SHIPPED / f"{DAILY}.md").read_text(encoding="utf-8")
    due = datetime.now(UTC) + timedelta(hours=2)
    own = demo.state / "books" / "checklists" / f"{NOW}.md"
    own.parent.mkdir(parents=True, exist_ok=True)
    text = shipped.replace("title: Daily health checks", "title: Health checks of this hour")
    own.write_text(text.replace("at: 09:00", f"at: {due:%H:%M}"), encoding="utf-8")
    demo.until(lambda: demo.ask("checklist", "show", NOW).returncode == 0)
    seen = demo.until(
        lambda: next(
            (item for item in items(demo, NOW) if item["automatic"] and item["state"] == "done"), None
        ),
        90,
    )
    assert seen["note"], seen
    open_ones = [item for item in items(demo, NOW) if item["state"] == "open" and item["automatic"]]
    assert all(item["waits"] for item in open_ones), "why the agent does not tick the others is said"
