"""`tradex checklist` on a store with lists: what it says, what it changes, and what it refuses."""

import csv
import io
import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess

from console.domain.book import Done, Step
from console.store import checklists
from tests import command
from tests.checklists.lists import daily, published, rounds
from tests.store.stores import Place, password_of

NOTE = "=1+1 | fine\n*really*"


def run(place: Place, home: Path, *args: str, person: str = "alice") -> CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("TRADEX_")} | {
        "TRADEX_STATE_DIR": str(home),
        "XDG_CONFIG_HOME": str(home),
        "TRADEX_STORE__URL": place.url_of(person),
        "TRADEX_STORE__PASSWORD": password_of(person),
    }
    return command.run("checklist", *args, env=env)


async def test_a_list_from_its_opening_to_its_export(place: Place, tmp_path: Path) -> None:
    def tradex(*args: str, person: str = "alice") -> CompletedProcess[str]:
        return run(place, tmp_path, *args, person=person)

    def good(*args: str) -> str:
        done = tradex(*args)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert good("list").strip() == "no checklist is published yet: the leading agent does it"
    items = (Step("Look at the dashboard"), Step("Look at the log"), Step("Errors are few", holds="x < 1"))
    monthly = daily(name="months", title="Month review", rule="FREQ=YEARLY", rhythm="custom", owner="on-call")
    async with place.leader() as (store, lease), place.open("bob") as bob:
        now: datetime = await store.now()
        # Due within the hour, whatever the hour is; of two days ago there is one that nobody did.
        soon = now + timedelta(hours=1)
        await published(store, lease, daily(items=items, at=f"{soon:%H:%M}"), monthly)
        for days in (2, 1):
            await rounds().round(store, lease, now - timedelta(days=days))
        (yesterday,) = await checklists.opened(store)
        for item in (1, 2, 3):
            await checklists.mark(bob, yesterday.id, item, Done.DONE, note=NOTE if item == 2 else "")
        # As if it had been done then.
        await place.owner("UPDATE console.checklist_run SET ended_at = due_at WHERE id = $1", yesterday.id)
        assert "no item is" not in tradex("tick", "morning", "1").stderr
        assert "is not open: it is due next" in tradex("tick", "morning", "1").stderr
        await rounds().round(store, lease, now)

    listed = {each["id"]: each for each in json.loads(good("list", "--json"))}
    assert {"id", "state", "at"} <= set(listed["morning"])
    morning = listed["morning"]
    assert (morning["state"], morning["run"]["done"], morning["run"]["total"]) == ("open", 0, 3)
    assert (morning["streak"], morning["on_time_pct"]) == (1, 50.0)
    assert (listed["months"]["state"], listed["months"]["owner"]) == ("none", "on-call")
    table = good()
    assert "► open" in table and "0/3" in table and "50 %" in table and "on-call" in table

    assert good("tick", "Morn", "dashboard", "--note", "green").startswith(
        "done: 1 Look at the dashboard; 1 of 3"
    )
    assert good("skip", "morning", "3", "--note", "no time").startswith("skipped: 3 Errors are few; 2 of 3")
    shown = good("show", "Morning health")
    assert "[✓]  1  Look at the dashboard   alice, " in shown and "          green\n" in shown
    assert "[–]  3  Errors are few" in shown and "[ ]  2  Look at the log" in shown
    assert json.loads(good("tick", "morning", "2", "--json"))["state"] == "done"
    assert json.loads(good("untick", "morning", "2", "--json"))["items"][1]["state"] == "open"

    for args, code, words in (
        (("tick", "morning", "Look"), 2, "'Look' is in the items 1, 2: say the number"),
        (("tick", "morning", "4"), 4, "no item '4': `tradex checklist show morning` lists them"),
        (("tick", "mourning", "1"), 4, "no checklist 'mourning'; did you mean morning?"),
        (("show", "m"), 2, "'m' may be morning or months"),
        (("tick", "months", "1"), 4, "Month review was not open yet: it is due 01 Jan 09:00 UTC"),
        (("history", "--json", "--csv"), 2, "--csv and --json: expected one of them"),
        (("skip", "morning", "2", "--note", " "), 2, "--note: expected why"),
    ):
        done = tradex(*args)
        assert (done.returncode, done.stdout) == (code, ""), args
        assert words in done.stderr and done.stderr.count("\n") == 1
    refused = tradex("tick", "morning", "1", person="bob")
    assert (refused.returncode, "alice ticked it already, " in refused.stderr) == (4, True)
    over = tradex("skip", "morning", "1", "--note", "oops")
    assert over.returncode == 4 and "alice ticked it " in over.stderr and "untick it first" in over.stderr
    viewer = tradex("tick", "morning", "2", person="vera")
    assert viewer.returncode == 4 and "vera may not tick checklists" in viewer.stderr

    # What is so already is said, and nothing is written.
    changes = await place.owner("SELECT count(*) FROM console.checklist_mark_change")
    assert good("untick", "morning", "2").startswith("it was not ticked: 2 Look at the log; 2 of 3")
    assert changes == await place.owner("SELECT count(*) FROM console.checklist_mark_change")
    again = tradex("start", "morning")
    assert (again.returncode, again.stderr) == (0, "Morning health is open already\n")

    coming = good("show", "months").splitlines()
    assert coming[0] == "Month review  ○ not yet open, opens 01 Jan 05:00 UTC"
    assert coming[1].startswith("due 01 Jan 09:00 UTC, owner on-call; ")
    assert coming[2].startswith("  [ ]  1  ")
    shape = json.loads(good("show", "months", "--json"))
    assert shape.keys() == morning["run"].keys() and (shape["id"], shape["state"]) == (None, "none")

    strip = good("history", "morning").splitlines()
    first, last = (f"{soon - timedelta(days=days):%d %b}" for days in (2, 0))
    assert strip[0] == f"Morning health  ✗ ■ ►   50 % on time, streak 1   due {first} to {last}"
    assert good("history", "months").startswith("Month review  nothing was due   – on time, streak 0")
    exported = json.loads(good("history", "--json"))
    assert [each["state"] for each in exported] == ["missed", "done", "open"]
    assert exported[1]["items"][1]["note"] == NOTE
    rows = list(csv.DictReader(io.StringIO(good("history", "--csv"))))
    assert len(rows) == 9 and rows[4]["by"] == "bob"
    assert rows[4]["note"] == "'=1+1 | fine *really*"
    document = good("history", "--markdown")
    assert document.count("## Morning health, due ") == 3 and "missed, 0 of 3 items" in document
    assert r"| 2. Look at the log | done | bob | " in document and r"| =1+1 \| fine \*really\* |" in document
    assert good("history", "--days", "1").splitlines()[0].startswith("Morning health  ■ ► ")

    opened = json.loads(good("start", "months", "--json"))
    assert (opened["state"], opened["checklist"], opened["at"][5:16]) == ("open", "months", "01-01T09:00")
    assert json.loads(good("start", "months", "--json"))["id"] == opened["id"]
