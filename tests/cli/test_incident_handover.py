"""`tradex incident handover`: a shift handed over, with what is left to do."""

import asyncio
import re
from datetime import timedelta

import pytest

from console.domain.alert import Matcher
from console.incidents import handing_over
from console.processes.postgres import EmbeddedPostgres
from console.store import freezes, silences
from tests.cli.incident_desk import Desk, furnished
from tests.conftest import NewDatabase
from tests.store.stores import Place, upgraded


@pytest.fixture(scope="module")
def desk(
    postgres: EmbeddedPostgres, session_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Desk:
    return furnished(postgres, session_database, tmp_path_factory.mktemp("home"))


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


def test_what_is_left_to_do_is_handed_over_however_long_ago_it_was_closed(desk: Desk) -> None:
    made = [str(desk.json("open", title)["id"]) for title in ("Long ago", "Lately", "Still going on")]
    ids = [str(desk.json("follow-up", number, f"mend {number}", "--owner", "bob")["id"]) for number in made]
    ended = str(desk.json("follow-up", made[0], "what is done")["id"])
    desk.done("follow-up", "done", ended)
    for number in made[:2]:
        desk.done("close", number, "--resolution", "over")
    desk.sql(
        "UPDATE console.incident SET closed_at = closed_at - interval '90 days', "
        "opened_at = opened_at - interval '90 days', detected_at = detected_at - interval '90 days' WHERE id = $1",
        int(made[0]),
    )
    desk.sql("UPDATE console.follow_up SET at = at - interval '90 days' WHERE id = $1", int(ids[0]))
    text = desk.done("handover").split("## Left to do of closed incidents")[1].partition("\n## ")[0]
    own = [line for line in text.splitlines() if "mend" in line or "what is done" in line]
    assert own[0] == f"- **INC-{made[0]}** Long ago: mend {made[0]}; bob, open for 90d"
    assert [line.partition("**")[2].partition("**")[0] for line in own] == [f"INC-{n}" for n in made[:2]]
    for each in ids:
        desk.done("follow-up", "done", each)
    desk.done("close", made[2], "--resolution", "over")


def test_the_first_hand_over_of_an_empty_store_says_nothing_in_each_section(
    postgres: EmbeddedPostgres, session_database: NewDatabase, new_database: NewDatabase
) -> None:
    place = Place(postgres, new_database(postgres, template=upgraded(postgres, session_database)))

    async def text() -> str:
        async with place.open("vera") as store:
            return await handing_over.text(store, await store.now())

    written = asyncio.run(text())
    assert written.count("- nothing") == written.count("\n## ") == 11
