"""`tradex incident` on a real store: an incident from its opening to its post-mortem."""

import re
from pathlib import Path

import pytest

from console.processes.postgres import EmbeddedPostgres
from console.store import presences
from tests.cli.incident_desk import Desk, furnished
from tests.conftest import NewDatabase
from tests.incidents_text.cases import HOSTILE
from tests.store.stores import Place


@pytest.fixture(scope="module")
def desk(
    postgres: EmbeddedPostgres, session_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Desk:
    return furnished(postgres, session_database, tmp_path_factory.mktemp("home"))


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
    assert re.search(rf"^ +{noted['id']}  \d\d:\d\d:\d\d  · note ", desk.done("show", number), re.MULTILINE)
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
    text = desk.done("export", number)
    assert text.index("reopened after that\n\n> Prices of yesterday.") < text.index("> Now it is.")


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
    (("show", "99999"), 4, "no incident 99999"),
    (("export", "99999"), 4, "no incident 99999"),
    (("ack", "INC-99999"), 4, "no incident 99999"),
    (("update", "99999", "customer-final", "--yes"), 4, "no incident 99999"),
    (("show", "twelve"), 2, "12 or INC-12, not 'twelve'"),
    (("show", "9" * 40), 2, "12 or INC-12"),
    (("open", " "), 2, "expected words"),
    (("open", "x", "--alert", "High Eror Rate"), 4, "did you mean 'High Error Rate'?"),
    (("open", "x", "--runbook", "no-such"), 4, "no-such"),
    (("tick", "N", "9"), 4, "no step '9'"),
    (("tick", "N", "o"), 2, "--book says which"),
    (("tick", "N", "1", "--book", "x"), 4, "'x' is not attached"),
    (("tick", "N", "1", "--skip"), 2, "--note says why"),
    (("tick", "N", "1", "--skip", "--undo"), 2, "not both"),
    (("role", "N", "commander", "nobody.here"), 4, "nobody.here"),
    (("plot", "N", "no_such"), 4, "no metric 'no_such'"),
    (("plot", "N"), 2, "or --off"),
    (("follow-up", "done", "x"), 2, "number of a follow-up"),
    (("follow-up", "done", "99999"), 4, "99999"),
    (("update", "N", "no-such", "--yes"), 4, "no template 'no-such'"),
    (("update", "N", "no-such", "--text", "-", "--yes"), 4, "no template 'no-such'"),
    (("update", "N", "customer-final", "--set", "x", "--yes"), 2, "expected NAME=VALUE"),
    (("update", "N", "customer-final", "--text", "/nowhere", "--yes"), 2, "No such file"),
    (("update", "N", "customer-final", "--text", "-"), 2, "can't be asked as well"),
    (("note", "N", "-"), 2, "not nothing"),
    (("merge", "N", "--into", "N"), 4, "into itself"),
    (("export", "N", "--output", "/nowhere/x.md"), 2, "can't be written"),
    (("watch", "99999"), 4, "no incident 99999"),
    (("handover", "sign", "99999"), 4, "99999"),
    (("handover", "sign"), 4, "nothing is offered to you"),
    (("handover", "show", "99999"), 4, "no hand-over 99999"),
    (("handover", "offer", "nobody.here"), 4, "nobody.here"),
]


def test_what_is_missing_is_shown_by_an_example(desk: Desk) -> None:
    for args, example in (
        (("close", "1"), 'tradex incident close 1 --resolution "..."'),
        (("merge", "--", "1"), "tradex incident merge --into N -- 1"),
        (("merge", "1"), "tradex incident merge 1 --into N"),
        (("merge",), "tradex incident merge N --into N"),
        # Words that it has no place for would be wrong there, too.
        (("merge", "1", "1"), "tradex incident merge 1 --into N"),
        (("close", "1", "--json", "1", "2"), 'tradex incident close 1 --json --resolution "..."'),
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


def test_what_it_cost_is_counted_until_the_harm_ended_and_only_where_an_alert_is_linked(desk: Desk) -> None:
    one = desk.json("open", "Slow again", "--alert", "High Order Latency")
    number = str(one["id"])
    desk.done("close", number, "--resolution", "it was the pool")
    (row,) = desk.sql(
        "UPDATE console.incident SET mitigated_at = detected_at + interval '2 minutes', mitigated_by = 'bob' "
        "WHERE id = $1 "
        "RETURNING to_char(mitigated_at AT TIME ZONE 'UTC', 'HH24:MI') AS at",
        one["id"],
    )
    told = [
        desk.done("export", number).partition("## Figures")[0],
        desk.done("update", number, "internal-update", "--dry-run"),
        desk.done("update", number, "customer-impact", "--dry-run"),
    ]
    ends = [re.search(r"(\w+ \w+) orders? failed from \d\d:\d\d to (\d\d:\d\d) UTC", text) for text in told]
    assert len({end and end[1] for end in ends}) == 1 and {end and end[2] for end in ends} == {row["at"]}

    beside = str(desk.json("open", "Something else")["id"])
    desk.sql(
        "UPDATE console.incident SET detected_at = detected_at - interval '5 minutes' WHERE id = $1",
        int(beside),
    )
    assert "**Impact**: nothing was measured\n" in desk.done("export", beside)
    for template in ("internal-update", "customer-impact"):
        assert "{{ impact }}" in desk.done("update", beside, template, "--dry-run")
    desk.done("close", beside, "--resolution", "it was nothing")


def test_a_name_that_nobody_has_is_told_and_the_note_is_kept(desk: Desk) -> None:
    number = str(desk.json("open", "Called")["id"])
    noted = desk.run("note", number, "@vera @Bob and @nobody, see @auto and x@y.example")
    assert (noted.returncode, noted.stdout) == (0, f"INC-{number}: noted\n")
    assert noted.stderr == "nobody is called nobody here\nnobody is called auto here\n"
    assert desk.run("note", number, "all is well").stderr == ""
    desk.done("close", number, "--resolution", "called")
