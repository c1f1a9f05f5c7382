"""`tradex incident` on a real store: an incident from its opening to its post-mortem, and a shift handed over."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from console.domain.alert import Matcher
from console.domain.book import Template
from console.domain.metric import MetricSpec, MetricValue
from console.incidents import handing_over
from console.processes.postgres import EmbeddedPostgres
from console.store import books, freezes, presences, silences, ticks
from tests import command
from tests.conftest import NewDatabase
from tests.incidents import rooms
from tests.incidents_text.cases import HOSTILE
from tests.store.stores import Place, password_of, upgraded

UPDATE = Template(
    *("internal-update", "How it goes", "internal", "update"),
    "# {{ incident }} {{ title }}\n\nIt is {{ status }}, {{ impact }}. {{ commander }} leads. Next: {{ next_update }}",
    {1: timedelta(minutes=30)},
)
FINAL = Template("customer-final", "It is over", "customer", "final", "It is over: {{ resolution }}")
SPECS = (
    MetricSpec("error_rate", "Error rate", "%", "orders", "sql", "", decimals=2, warning=1, critical=5),
    MetricSpec("failed_today", "Failed today", "count", "orders", "sql", ""),
    MetricSpec("cpu_usage", "CPU", "%", "system", "scrape", "", warning=80, critical=95),
)
MINUTE = timedelta(minutes=1)


class Desk:
    """Commands as people on one store."""

    def __init__(self, place: Place, home: Path) -> None:
        self.place, self.home = place, home

    def env(self, person: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TRADEX_")}
        return kept | {
            "TRADEX_STATE_DIR": str(self.home),
            "XDG_CONFIG_HOME": str(self.home),
            "TRADEX_STORE__URL": self.place.url_of(person),
            "TRADEX_STORE__PASSWORD": password_of(person),
        }

    def run(self, *args: str, person: str = "alice") -> CompletedProcess[str]:
        return command.run("incident", *args, env=self.env(person))

    def done(self, *args: str, person: str = "alice") -> str:
        run = self.run(*args, person=person)
        assert run.returncode == 0, (args, run.stderr)
        return run.stdout

    def json(self, *args: str, person: str = "alice") -> Any:
        return json.loads(self.done(*args, "--json", person=person))

    def sql(self, text: str, *args: object) -> list[Any]:
        return self.now(self.place.owner(text, *args))

    @staticmethod
    def now(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(work)


async def furnish(place: Place) -> dict[str, int]:
    """Books, alerts that fire, and two hours of readings up to ten minutes from now."""
    async with rooms.leading(place) as (store, lease):
        await books.publish(store, lease, [rooms.ORDERS, rooms.BREACH, UPDATE, FINAL])
        now = await store.now()
        start = now.replace(second=0, microsecond=0) - 120 * MINUTE

        def row(i: int) -> tuple[datetime, list[MetricValue]]:
            at = start + i * MINUTE
            values = (8.0 if i >= 115 else 0.2, 100.0 + min(i, 118), 30.0 if i < 60 else 60.0)
            return at, [MetricValue(s.name, v, at) for s, v in zip(SPECS, values, strict=True)]

        await ticks.write_seeded(store, lease, SPECS, map(row, range(131)))
        rules = ("High Error Rate", "High Order Latency", "Capacity Warning")
        return dict(zip(rules, await rooms.fire(store, lease, *rules, at=now - 4 * MINUTE), strict=True))


@pytest.fixture(scope="module")
def desk(
    postgres: EmbeddedPostgres, session_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Desk:
    place = Place(postgres, session_database(postgres, template=upgraded(postgres, session_database)))
    Desk.now(furnish(place))
    return Desk(place, tmp_path_factory.mktemp("home"))


def test_an_incident_from_its_opening_to_its_post_mortem(desk: Desk, tmp_path: Path) -> None:
    assert desk.done() == "no incident is open\n" and desk.json() == []
    made = desk.json(
        *("open", "Orders fail", "--level", "2", "--alert", "High Error Rate"),
        *("--runbook", "order-execution-failure", "--note", "since a minute"),
    )
    assert {"id", "state", "at"} <= set(made) and made["state"] == "open"
    name, number = made["name"], str(made["id"])
    assert "no commander" in desk.done("handover")
    assert desk.done("role", number, "commander", "bob") == f"{name}: commander: bob\n"
    assert desk.json("role", name.lower(), "technical")["roles"] == {"commander": "bob", "technical": "alice"}
    assert desk.json("role", number, "technical", "--nobody")["roles"] == {"commander": "bob"}
    assert desk.done("ack", name) == f"{name}: acknowledged\n"
    assert desk.json("level", number, "1", "--reason", "all of them")["level"] == 1
    assert desk.json("rename", number, "All orders fail")["title"] == "All orders fail"
    assert desk.done("note", number, "It is **EURUSD** alone") == f"{name}: noted\n"

    assert desk.done("tick", number, "1", "--note", "all good") == f"{name}: done: 1 Look at the health\n"
    assert "skipped: 3" in desk.done("tick", number, "PATTERN", "--skip", "--note", "no time")
    assert "no longer done: 1" in desk.done("tick", number, "1", "--undo")
    assert "done: 1" in desk.done("tick", number, "1", person="bob")
    refused = desk.run("tick", number, "1")
    assert refused.returncode == 4 and "bob" in refused.stderr
    assert desk.done("attach", number, "security-breach") == f"{name}: attached: security-breach\n"
    steps = [step["state"] for step in desk.json("show", number)["runbooks"][0]["steps"]]
    assert steps == ["done", "open", "skipped", "open"]

    entries = desk.json("show", number, "-n", "100")["timeline"]
    noted = next(e for e in entries if e["state"] == "note" and "EURUSD" in e["text"])
    assert [pin["event"] for pin in desk.json("pin", number, str(noted["id"]))["pins"]] == [noted["id"]]
    assert desk.json("pin", number, str(noted["id"]), "--off")["pins"] == []
    assert desk.json("plot", number, "cpu_usage")["plot"] == "cpu_usage"
    assert desk.json("plot", number, "--off")["plot"] is None
    added = desk.json("follow-up", number, "Check prices for their age", "--owner", "alice")
    assert (added["state"], added["owner"]) == ("open", "alice")
    assert desk.done("follow-up", "done", str(added["id"])) == f"done: follow-up {added['id']}\n"

    assert "internal-update" in desk.done("update", number)
    draft = desk.done("update", number, "internal-update", "--dry-run")
    assert "All orders fail" in draft and "bob leads" in draft and "{{" not in draft
    assert "the error rate reached 8.00 %" in draft and "about 2 orders failed from" in draft
    assert desk.json("show", number)["updates"] == []
    assert desk.run("update", number, "internal-update").returncode == 2
    assert "recorded: entry" in desk.done("update", number, "internal-update", "--yes")
    waits = desk.run("update", number, "customer-final", "--yes")
    assert waits.returncode == 2 and "{{ resolution }}: --set resolution=TEXT says so" in waits.stderr
    filled = desk.done("update", number, "customer-final", "--set", "resolution=old prices", "--dry-run")
    assert filled == "It is over: old prices\n"
    own = tmp_path / "own.md"
    own.write_text("It is *over*.\n")
    assert desk.json("update", number, "customer-final", "--text", str(own), "--yes")["state"] == "recorded"
    shown = desk.json("show", number)
    assert [(u["template"], u["audience"]) for u in shown["updates"]] == [
        ("internal-update", "internal"),
        ("customer-final", "customer"),
    ]

    assert desk.json("mitigate", number, "--note", "switched over")["state"] == "mitigated"
    assert desk.json("mitigate", number, "--back")["state"] == "open"
    said = desk.run("mitigate", number)
    assert said.stdout == f"{name}: mitigated\n"
    assert said.stderr == "3 of 5 steps are neither done nor skipped\n"
    desk.now(beat(desk.place, shown["id"]))
    assert [p["person"] for p in desk.json("show", number)["presence"]] == ["vera"]
    plain = desk.done("show", number)
    assert "here     vera, on screen 5" in plain
    for words in (
        "SEV1",
        "MITIGATED",
        "role     commander: bob",
        "runbook  Orders fail  2/4",
        "High Error Rate",
    ):
        assert words in plain, words
    assert "All orders fail" in desk.done("list")
    assert desk.json("close", number, "--resolution", "Prices of yesterday.")["state"] == "closed"
    assert desk.json("list") == [] and [i["name"] for i in desk.json("list", "--all")] == [name]

    out = tmp_path / "post-mortem.md"
    assert desk.done("export", number, "--output", str(out)) == f"{name} in {out}\n"
    text = out.read_text()
    assert text.startswith(f"# {name}: All orders fail\n") and "> Prices of yesterday." in text
    assert "| bob |" in text and "**EURUSD**" in text and "5.00 % │" in text
    figures_equal_the_events(desk, shown["id"], text)
    assert desk.json("reopen", number, "--reason", "again")["state"] == "open"
    assert desk.json("close", number, "--resolution", "Now it is.")["state"] == "closed"


async def beat(place: Place, number: int) -> None:
    async with place.open("vera") as vera:
        await presences.beat(vera, number, screen=5, selection="", active=True)


def figures_equal_the_events(desk: Desk, number: int, text: str) -> None:
    """Each clock of the post-mortem is that of the event which tells of it."""
    rows = desk.sql(
        "SELECT at, text, actor FROM console.event WHERE incident_id = $1 AND kind = 'incident' ORDER BY id",
        number,
    )
    for word, told in (("acknowledged", "acknowledged"), ("mitigated", "mitigated"), ("resolved", "closed")):
        found = [row for row in rows if told in row["text"]]
        assert found, (word, [row["text"] for row in rows])
        last = found[-1]
        at = f"{last['at']:%Y-%m-%d %H:%M:%S}"
        (line,) = [line for line in text.splitlines() if line.startswith(f"| {word} |")]
        assert f"| {at} |" in line and line.endswith(f"| {last['actor']} |"), (line, last)


def test_alerts_are_linked_split_off_and_merged(desk: Desk) -> None:
    one = desk.json("open", "Slow", "--alert", "High Order Latency")
    two = desk.json("open", "Full")
    first, second = str(one["id"]), str(two["id"])
    (capacity,) = desk.json("link", second, "Capacity Warning")["alerts"]
    assert desk.json("link", second, str(one["alerts"][0]))["alerts"] == sorted([*one["alerts"], capacity])
    assert desk.json("show", first)["alerts"] == []
    made = desk.json("split", second, "High Order Latency", "--title", "Slow again")
    assert made["alerts"] == one["alerts"] and made["title"] == "Slow again"
    over = desk.json("merge", str(made["id"]), "--into", f"inc-{first}")
    assert over["state"] == "merged" and over["merged_into"] == one["id"]
    assert desk.json("show", first)["alerts"] == one["alerts"]
    for number in (first, second):
        desk.done("close", number, "--resolution", "enough")


MISUSES: list[tuple[tuple[str, ...], int, str]] = [
    (("show", "99999"), 2, "no incident 99999"),
    (("export", "99999"), 2, "no incident 99999"),
    (("ack", "INC-99999"), 2, "no incident 99999"),
    (("update", "99999", "customer-final", "--yes"), 2, "no incident 99999"),
    (("show", "twelve"), 2, "12 or INC-12, not 'twelve'"),
    (("show", "9" * 40), 2, "12 or INC-12"),
    (("open", " "), 2, "expected words"),
    (("open", "x", "--alert", "High Eror Rate"), 2, "did you mean 'High Error Rate'?"),
    (("open", "x", "--runbook", "no-such"), 4, "no-such"),
    (("tick", "N", "9"), 2, "no step '9'"),
    (("tick", "N", "o"), 2, "--book says which"),
    (("tick", "N", "1", "--book", "x"), 2, "'x' is not attached"),
    (("tick", "N", "1", "--skip"), 2, "--note says why"),
    (("tick", "N", "1", "--skip", "--undo"), 2, "not both"),
    (("role", "N", "commander", "nobody.here"), 4, "nobody.here"),
    (("plot", "N", "no_such"), 2, "no metric 'no_such'"),
    (("plot", "N"), 2, "or --off"),
    (("follow-up", "done", "x"), 2, "number of a follow-up"),
    (("follow-up", "done", "99999"), 4, "99999"),
    (("update", "N", "no-such", "--yes"), 2, "no template 'no-such'"),
    (("update", "N", "no-such", "--text", "-", "--yes"), 2, "no template 'no-such'"),
    (("update", "N", "customer-final", "--set", "x", "--yes"), 2, "expected NAME=VALUE"),
    (("update", "N", "customer-final", "--text", "/nowhere", "--yes"), 2, "No such file"),
    (("update", "N", "customer-final", "--text", "-"), 2, "can't be asked as well"),
    (("note", "N", "-"), 2, "not nothing"),
    (("merge", "N", "--into", "N"), 4, "into itself"),
    (("export", "N", "--output", "/nowhere/x.md"), 2, "can't be written"),
    (("watch", "99999"), 2, "no incident 99999"),
    (("handover", "sign", "99999"), 4, "99999"),
    (("handover", "offer", "nobody.here"), 4, "nobody.here"),
]


def test_what_is_missing_is_shown_by_an_example(desk: Desk) -> None:
    for args, example in (
        (("close", "1"), 'tradex incident close 1 --resolution "..."'),
        (("merge", "1"), "tradex incident merge 1 --into N"),
        (("handover", "offer"), "tradex incident handover offer PERSON"),
    ):
        run = desk.run(*args)
        assert run.returncode == 2 and run.stderr.splitlines()[-1] == f"For example: {example}"


def test_bad_input_is_one_line(desk: Desk) -> None:
    number = str(desk.json("open", "Mistakes", "--runbook", "order-execution-failure")["id"])
    desk.done("attach", number, "security-breach")
    for args, code, says in MISUSES:
        done = desk.run(*(number if arg == "N" else arg for arg in args))
        assert done.returncode == code, (args, done.stderr)
        assert len(done.stderr.strip().splitlines()) == 1 and says in done.stderr, (args, done.stderr)
    desk.done("close", number, "--resolution", "made")


def test_a_viewer_may_look_and_nothing_else(desk: Desk) -> None:
    number = str(desk.json("open", "Looked at")["id"])
    assert desk.json("list", "--all", person="vera") and desk.done("export", number, person="vera")
    assert desk.done("handover", person="vera").startswith("# Hand-over")
    for args in (
        ("open", "x"),
        ("note", number, "x"),
        ("close", number, "--resolution", "x"),
        ("handover", "offer", "bob"),
    ):
        done = desk.run(*args, person="vera")
        assert done.returncode == 4 and "vera" in done.stderr, args


def test_hostile_words_are_printable_and_stay_in_their_place(desk: Desk) -> None:
    one = desk.json("open", HOSTILE[3], "--level", "3", "--note", HOSTILE[2])
    number = str(one["id"])
    for text in HOSTILE:
        desk.done("note", "--", number, text[:8000])
        desk.done("follow-up", "--", number, text[:400])
    for args in (
        ("show", number),
        ("export", number),
        ("list",),
        ("handover",),
        ("update", number, "internal-update", "--dry-run"),
    ):
        out = desk.done(*args)
        assert not any(bad in out for bad in ("\x1b]", "\x1b[2J", "\u202e", "\x07")), args
    titles = re.findall(r"^## .*", desk.done("export", number), re.MULTILINE)
    assert len(titles) == 10
    desk.done("close", number, "--resolution", HOSTILE[2])


def test_a_shift_is_handed_over_and_signed_by_both(desk: Desk) -> None:
    async def busy() -> None:
        async with desk.place.open("alice") as alice:
            matcher = Matcher("rule", "=", "Capacity Warning")
            await silences.add(alice, [matcher], length=timedelta(hours=2), reason="load test")
            await silences.add(
                alice, [Matcher("rule", "=", "Else")], length=timedelta(days=2), reason="not told"
            )
        async with desk.place.open("bob") as bob:
            await freezes.add(bob, start=None, length=timedelta(hours=5), reason="quarter's end")

    desk.now(busy())
    desk.done("open", "Prices are late", "--level", "2")
    text = desk.done("handover", "show")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)
    told = {part.partition("\n")[0]: part for part in sections[1:]}
    assert "No agent leads" in sections[0]
    open_ones, alerts = (next(told[t] for t in told if t.startswith(w)) for w in ("Incidents", "Alerts"))
    assert re.search(r"Prices are late; open for \d+s, no commander", open_ones)
    assert "**High Error Rate**" in alerts and "1 more silenced" in alerts
    ends = told["Silences that end within 12 hours (1)"]
    assert "load test" in ends and "not told" not in text
    assert "quarter's end" in told["Freezes (1)"]
    assert told["In force on the platform"].split() == [
        "In",
        "force",
        "on",
        "the",
        "platform",
        "-",
        "nothing",
    ]
    cpu, rate = told["Odd trends (2)"].splitlines()[2:4]
    assert rate.startswith("- **Error rate**")
    assert re.fullmatch(r"- \*\*CPU\*\* 60 % in the last hour; the hour before 3\d %; limit 95 %", cpu)

    offered = desk.json("handover", "offer", "bob", "--note", "look at the prices")
    number = str(offered["id"])
    assert offered["state"] == "offered" and "Prices are late" in offered["text"]
    assert desk.run("handover", "sign", number).returncode == 4
    desk.sql(
        "INSERT INTO console.event (kind, severity, subject, text) VALUES ('alert', 'critical', 'x', 'it fires')"
    )
    assert re.search(r"\d+s ago: 1 critical in 1 entry\n", desk.done("handover", "show", number))
    # It is the only one that is offered to bob; to alice none is.
    assert "nothing is offered to you" in desk.run("handover", "sign").stderr
    taken = desk.done("handover", "sign", person="bob")
    assert re.fullmatch(
        r"signed: it is yours now, as alice saw it at \d\d:\d\d UTC; \d+s passed before it was signed: "
        r"1 critical in 1 entry\n",
        taken,
    )
    (signed,) = desk.json("handover", "list")
    assert (signed["giver"], signed["taker"], signed["state"]) == ("alice", "bob", "signed")
    assert "look at the prices" in desk.done("handover", "list")
    desk.done("close", str(desk.json("list")[0]["id"]), "--resolution", "they came")


def test_watch_tells_everything_once_and_ends_with_the_incident(
    desk: Desk, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    number = str(desk.json("open", "Watched")["id"])
    out = tmp_path / "watched"
    with out.open("w") as file:
        watching = subprocess.Popen(
            [sys.executable, "-m", "console.cli", "incident", "watch", number, "--json"],
            env=desk.env("vera"),
            stdout=file,
            text=True,
        )
    try:
        wait_until(out.read_text)
        for i in range(5):
            desk.done("note", number, f"note {i}")
        wait_until(lambda: "note 4" in out.read_text())
        # It joins again, and tells what came meanwhile.
        desk.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'vera'")
        desk.done("note", number, "note 5")
        wait_until(lambda: "note 5" in out.read_text(), timeout=20)
        desk.done("close", number, "--resolution", "seen")
        assert watching.wait(20) == 0
    finally:
        if watching.poll() is None:
            watching.send_signal(signal.SIGINT)
            watching.wait(10)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len({line["id"] for line in lines}) == len(lines)
    assert [line["text"] for line in lines if line["state"] == "note"] == [f"note {i}" for i in range(6)]
    own = desk.sql("SELECT id FROM console.event WHERE incident_id = $1 ORDER BY id", int(number))
    assert {row["id"] for row in own} <= {line["id"] for line in lines}
    plain = desk.done("watch", number, "-n", "3").splitlines()
    assert plain[0].endswith("Watched  CLOSED") and len(plain) == 4 and "note 5" in "".join(plain)


def test_the_first_hand_over_of_an_empty_store_says_nothing_in_each_section(
    postgres: EmbeddedPostgres, session_database: NewDatabase, new_database: NewDatabase
) -> None:
    place = Place(postgres, new_database(postgres, template=upgraded(postgres, session_database)))

    async def text() -> str:
        async with place.open("vera") as store:
            return await handing_over.text(store, await store.now())

    written = asyncio.run(text())
    assert written.count("- nothing") == written.count("\n## ") == 10
