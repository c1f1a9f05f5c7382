"""`tradex block-ip`, `tradex actions` and `tradex audit` on a real store, with an agent whose steps do nothing."""

import asyncio
import csv
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from console.domain.action import ActionState, AuditEntry, Parameter
from console.domain.errors import Refused
from console.domain.release import Released, ReleaseState
from console.processes.postgres import EmbeddedPostgres
from console.store import actions, audit, releases
from tests import command
from tests.conftest import NewDatabase
from tests.demo import TRADEX
from tests.store.acting import KINDS, Agent, ask, found, verbs, working
from tests.store.stores import Place, password_of, upgraded
from tests.terminal import Terminal

Wait = Callable[..., Awaitable[Any]]
BLOCK = ("block-ip", "203.0.113.7", "--reason", "it attacks")


@pytest.fixture
def place(postgres: EmbeddedPostgres, new_database: NewDatabase, session_database: NewDatabase) -> Place:
    return Place(postgres, new_database(postgres, template=upgraded(postgres, session_database)))


@pytest.fixture
async def agent(place: Place) -> AsyncIterator[Agent]:
    async with working(place) as agent:
        yield agent


class Person:
    """Somebody at a shell."""

    def __init__(self, place: Place, state: Path, name: str) -> None:
        self.name = name
        self.env = {
            "TRADEX_STORE__URL": place.url_of(name),
            "TRADEX_STORE__PASSWORD": password_of(name),
            "TRADEX_STATE_DIR": str(state),
            "XDG_CONFIG_HOME": str(state / "none"),
        }

    async def says(self, *args: str, code: int = 0) -> CompletedProcess[str]:
        """`tradex args`, which ends with this exit code, without a traceback."""
        done = await asyncio.to_thread(command.run, *args, env=self.env)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done

    async def json(self, *args: str, code: int = 0) -> Any:
        return json.loads((await self.says(*args, "--json", code=code)).stdout)

    def terminal(self, *args: str) -> Terminal:
        return Terminal([*TRADEX, *args], env=self.env)


async def in_state(agent: Agent, number: int, state: ActionState) -> bool:
    return (await found(agent.store, number)).state is state


@pytest.fixture
def alice(place: Place, tmp_path: Path) -> Person:
    return Person(place, tmp_path, "alice")


@pytest.fixture
def bob(place: Place, tmp_path: Path) -> Person:
    return Person(place, tmp_path, "bob")


@pytest.fixture
def vera(place: Place, tmp_path: Path) -> Person:
    return Person(place, tmp_path, "vera")


async def test_a_block_is_planned_confirmed_and_followed_to_its_proof(agent: Agent, alice: Person) -> None:
    done = await alice.says(*BLOCK, "--for", "2h", "--yes")
    order = [
        "block_ip 203.0.113.7",
        "1. the platform's list  [platform]",
        "2. the firewall  [vercel]  (after 2 s)",
        "▲ users seen in 24 h  3",
        "✓ address: it is nobody's of ours",
        "✓ role: alice is a responder",
        "the same: tradex block_ip",
        "action 1, block-ip 203.0.113.7: ",
        "✓ 1 the platform's list [platform]  done: in the list now",
        "✓ 2 the firewall [vercel]  done",
        "✓ action 1 done: it is done",
        "● proved: 403 counted",
        "403s  12",
        "tradex actions undo 1",
    ]
    rest = done.stdout
    for line in order:
        assert line in rest, f"{line!r} is missing, or out of order, in:\n{done.stdout}"
        rest = rest.partition(line)[2]
    action = await found(agent.store, 1)
    assert (action.params, action.reason, action.confirmed_by) == (
        {"network": "203.0.113.7", "length": "2h"},
        "it attacks",
        "alice",
    )


async def test_json_is_one_object_on_standard_output(agent: Agent, alice: Person) -> None:
    shown = await alice.json("block-ip", "203.0.113.7/32", "--reason", "x", "--yes")
    assert {"id", "state", "at", "kind", "target", "plan", "proof", "words"} <= shown.keys()
    assert (shown["state"], shown["kind"], shown["target"]) == ("done", "block_ip", "203.0.113.7")
    assert shown["params"] == {"network": "203.0.113.7", "length": "24h"}, "what was left out has its default"
    assert shown["plan"]["steps"][0]["layer"] == "platform"
    assert shown["proof"]["verdict"] == "proved"


async def test_a_dry_run_shows_the_plan_and_leaves_nothing_behind(agent: Agent, alice: Person) -> None:
    done = await alice.says(*BLOCK, "--dry-run")
    assert "users seen in 24 h  3" in done.stdout
    assert "withdrawn: nothing was changed" in done.stdout
    action = await found(agent.store, 1)
    assert (action.state, action.started_at) == (ActionState.CANCELLED, None)
    assert (await alice.json(*BLOCK, "--dry-run"))["state"] == "planned"
    assert await alice.json("actions", "list") == []
    assert [a["state"] for a in await alice.json("actions", "list", "--all")] == ["cancelled", "cancelled"]


async def test_a_guard_of_the_plan_is_exit_4_with_its_reason(agent: Agent, alice: Person) -> None:
    agent.refused["10.0.0.1"] = "10.0.0.0/8 is private"
    done = await alice.says("block-ip", "10.0.0.1", "--reason", "x", "--yes", "--json", code=4)
    assert done.stderr.strip().splitlines()[-1] == "tradex: action 1: 10.0.0.0/8 is private"
    assert json.loads(done.stdout)["state"] == "refused"


async def test_who_may_not_is_exit_4_and_in_the_audit(agent: Agent, vera: Person, bob: Person) -> None:
    done = await vera.says(*BLOCK, "--yes", code=4)
    assert "vera is a viewer: block-ip takes a responder" in done.stderr
    done = await bob.says("--read-only", *BLOCK, "--yes", code=4)
    assert "read-only" in done.stderr
    # Whoever may only look can't hold the chain: the next one who writes takes it in.
    await bob.says(*BLOCK, "--dry-run")
    assert (await verbs(agent.store))[0] == "refused request"


async def test_where_nobody_can_be_asked_it_is_a_misuse_before_anything_is_asked_for(
    agent: Agent, alice: Person
) -> None:
    assert "--yes confirms" in (await alice.says(*BLOCK, code=2)).stderr
    assert await actions.one(agent.store, 1) is None


async def test_that_there_is_no_such_release_is_told_before_that_nobody_can_be_asked(
    agent: Agent, alice: Person
) -> None:
    deploy = replace(KINDS[4], name="deploy", parameters=(Parameter("release", "Release"),), target="release")
    await actions.publish_kinds(agent.store, agent.lease, [deploy])
    agent.refused["v9"] = "the repository has no commit v9"
    done = await alice.says("deploy", "v9", "--reason", "x", code=4)
    assert done.stderr == "tradex: action 1: the repository has no commit v9\n"
    done = await alice.says("deploy", "v2", "--reason", "x", code=2)
    assert "--yes confirms" in done.stderr and "withdrawn: nothing was changed" in done.stdout
    action = await found(agent.store, 2)
    assert (action.state, action.confirmed_by) == (ActionState.CANCELLED, "")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("actions", "start", "notify"), "notify can't be done here: it has no channels yet"),
    ],
)
async def test_kinds_that_cannot_be_are_refused(
    agent: Agent, alice: Person, args: tuple[str, ...], words: str
) -> None:
    assert words in (await alice.says(*args, "--reason", "x", "--yes", code=4)).stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("actions", "start", "block_ip", "--set", "adress=1.2.3.4"), "block-ip has no parameter 'adress'"),
        (("actions", "start", "block-ip"), "block-ip takes network"),
        (("actions", "start", "blok_ip"), "there is no action blok-ip"),
        (("actions", "start", "block_ip", "--set", "network"), "expected NAME=VALUE"),
        (("actions", "start", "failover", "--set", "to=moon"), "to: expected one of primary, replica"),
        (
            ("actions", "start", "block-ip", "--set", "network=::1", "--set", "length=x"),
            "length: expected a duration",
        ),
        (("block-ip", "nowhere"), "expected an address such as 203.0.113.7"),
        (("block-ip", ""), "block-ip takes network"),
        (("block-ip", "203.0.113.7", "--for", "banana"), "--for: expected a duration"),
        (("unblock-ip", "203.0.113.1/24"), "did you mean 203.0.113.0/24"),
        (("suspend", "a@b.c", "--choose", "positions"), "expected NAME=VALUE"),
    ],
)
async def test_wrong_parameters_are_a_misuse_that_names_them(
    agent: Agent, alice: Person, args: tuple[str, ...], words: str
) -> None:
    assert words in (await alice.says(*args, "--reason", "x", "--yes", code=2)).stderr


@pytest.mark.parametrize(
    "command", [BLOCK[:2], ("actions", "undo", "1"), ("actions", "freeze", "--for", "1h")]
)
async def test_a_reason_that_says_nothing_is_a_misuse(alice: Person, command: tuple[str, ...]) -> None:
    done = await alice.says(*command, "--reason", " ", code=2)
    assert done.stderr == "tradex: --reason: expected why, not ' '\n"


async def test_without_an_agent_it_says_so_and_the_request_is_withdrawn(place: Place, alice: Person) -> None:
    async with working(place):
        pass
    await place.owner("UPDATE console.lease SET expires_at = now()")
    done = await alice.says(*BLOCK, "--yes", code=1)
    assert done.stderr == "tradex: no agent leads: nobody can make a plan, and nothing would be done\n"
    async with place.open("alice") as store:
        assert (await found(store, 1)).state is ActionState.CANCELLED


async def test_before_any_agent_has_led_nothing_can_be_done(place: Place, alice: Person) -> None:
    assert "no agent has led here yet" in (await alice.says(*BLOCK, "--yes", code=1)).stderr
    assert "no agent has led here yet" in (await alice.says("actions", "kinds")).stdout


async def test_a_dangerous_plan_takes_its_target_typed_and_a_second_person(
    agent: Agent, alice: Person, bob: Person
) -> None:
    start = ("actions", "start", "failover", "--set", "to=replica", "--reason", "x", "--yes")
    assert "--typed 'replica'" in (await alice.says(*start, code=2)).stderr
    assert (await found(agent.store, 1)).state is ActionState.CANCELLED
    done = await alice.says(*start, "--typed", "replica", code=1)
    assert "it takes a second person: failover always takes a second person" in done.stdout
    assert "tradex actions approve 2" in done.stdout
    listed = (await alice.says("actions", "list")).stdout
    assert "waits for a second person" in listed and "◔ approval" in listed
    assert "alice is a responder" in (await alice.says("actions", "approve", "2", "--yes", code=4)).stderr
    shown = await bob.says("actions", "approve", "2", "--dry-run")
    assert "the platform's list" in shown.stdout
    done = await bob.says("actions", "approve", "2", "--yes")
    assert "alice confirmed it: x" in done.stdout
    assert "✓ action 2 done" in done.stdout
    assert "bob approved it already" in (await bob.says("actions", "approve", "2", "--yes", code=4)).stderr


async def test_the_one_who_asked_is_no_second_person(agent: Agent, alice: Person, bob: Person) -> None:
    start = (
        "actions",
        "start",
        "failover",
        "--set",
        "to=replica",
        "--reason",
        "x",
        "--yes",
        "--typed",
        "replica",
    )
    assert (await bob.json(*start, code=1))["needs_approval"]
    assert "not the one who asked" in (await bob.says("actions", "approve", "1", "--yes", code=4)).stderr
    await bob.says("actions", "cancel", "1", "--reason", "never mind")
    assert "until" in (await bob.says("actions", "break-glass", "--for", "30m", "--reason", "alone")).stdout
    assert "■ bob broke the glass" in (await bob.says("actions", "list")).stdout
    assert "done" in (await bob.says(*start)).stdout
    alien = await alice.says("actions", "mend-glass", "--of", "bob", code=4)
    assert "takes a commander" in alien.stderr
    await bob.says("actions", "mend-glass", "--of", "bob")
    assert "no glass of yours" in (await bob.says("actions", "mend-glass", code=4)).stderr


async def test_a_choice_is_answered_or_asked_for(agent: Agent, bob: Person) -> None:
    suspend = ("suspend", "a@b.c", "--reason", "x", "--yes")
    assert "--choose positions=keep" in (await bob.says(*suspend, code=2)).stderr
    assert "choose one of" in (await bob.says(*suspend, "--choose", "positions=sell", code=2)).stderr
    assert (await bob.json(*suspend, "--choose", "positions=keep"))["choices"] == {"positions": "keep"}


async def test_all_that_yes_lacks_is_told_at_once(agent: Agent, bob: Person) -> None:
    said = (await bob.says("suspend", "typed@b.c", "--reason", "x", "--yes", code=2)).stderr
    assert said.endswith(
        "this plan takes more than --yes: add --typed 'typed@b.c'; Open positions: "
        "choose one of --choose positions=keep, --choose positions=refuse\n"
    )
    given = ("--typed", "typed@b.c", "--choose", "positions=keep")
    await bob.says("suspend", "typed@b.c", "--reason", "x", "--yes", *given)


async def test_a_freeze_holds_until_a_commander_overrides_or_ends_it(
    agent: Agent, alice: Person, bob: Person
) -> None:
    restart = ("actions", "start", "restart", "--set", "to=primary", "--reason", "x", "--yes")
    assert (
        "takes a commander"
        in (await alice.says("actions", "freeze", "--for", "8h", "--reason", "holiday", code=4)).stderr
    )
    made = await bob.json("actions", "freeze", "--for", "8h", "--reason", "holiday")
    assert (made["state"], made["reason"]) == ("active", "holiday")
    assert datetime.fromisoformat(made["until"]) - datetime.fromisoformat(made["at"]) == timedelta(hours=8)
    assert "holiday" in (await alice.says("actions", "freezes")).stdout
    assert "holiday; a commander may override it" in (await alice.says(*restart, code=4)).stderr
    refused = await alice.says(*restart[:-1], "--dry-run", code=4)
    assert "✗ freeze: frozen until" in refused.stdout and "withdrawn: nothing was changed" in refused.stdout
    assert "holiday" in refused.stderr
    assert "only a commander" in (await alice.says(*restart, "--override", "now", code=4)).stderr
    assert (await bob.json(*restart, "--override", "it is down"))["override"] == "it is down"
    # What it would take besides is no matter while it is refused anyway.
    failover = ("actions", "start", "failover", "--set", "to=replica", "--reason", "x", "--yes")
    assert "holiday; a commander may override it" in (await bob.says(*failover, code=4)).stderr
    await bob.says("actions", "thaw", str(made["id"]))
    too_long = await bob.says("actions", "freeze", "--for", "400d", "--reason", "x", code=4)
    assert "a freeze lasts at most 90 days" in too_long.stderr
    assert "nothing is frozen" in (await alice.says("actions", "freezes")).stdout
    await alice.says(*restart)
    assert (
        "with its zone"
        in (
            await bob.says("actions", "freeze", "--for", "1h", "--reason", "x", "--from", "tomorrow", code=2)
        ).stderr
    )


async def test_what_somebody_asked_for_already_is_joined_and_not_withdrawn(
    agent: Agent, place: Place, alice: Person, bob: Person, wait_for: Wait
) -> None:
    async with place.open("alice") as store:
        await ask(store, network="203.0.113.7", length="24h")
        done = await bob.says(*BLOCK, "--dry-run")
        assert "alice asked for this already: it is action 1" in done.stdout
        assert (await found(store, 1)).state is ActionState.PLANNED
        agent.go.clear()
        with alice.terminal(*BLOCK, "--yes") as first:
            await wait_for(lambda: in_state(agent, 1, ActionState.RUNNING))
            assert "alice asked for this already: it is action 1, planned" in first.text
            second = asyncio.create_task(bob.says(*BLOCK, "--yes"))

            async def joined() -> bool:
                return (await verbs(store, 1)).count("joined") == 3

            await wait_for(joined)
            agent.go.set()
            done = await second
            assert "alice asked for this already: it is action 1, running" in done.stdout
            assert "✓ action 1 done" in done.stdout
            await asyncio.to_thread(first.wait_for, "✓ action 1 done")


async def test_what_failed_is_exit_1_with_its_words(agent: Agent, alice: Person) -> None:
    agent.failing.add("203.0.113.7")
    done = await alice.says(*BLOCK, "--yes", code=1)
    assert "✗ 2 the firewall [vercel]  failed" in done.stdout
    assert "✗ action 1 failed: the firewall said no" in done.stdout


async def test_what_made_it_worse_is_done_and_exit_1(agent: Agent, alice: Person) -> None:
    agent.worsened.add("203.0.113.7")
    done = await alice.says(*BLOCK, "--yes", code=1)
    assert "▲ action 1 worse: it is done" in done.stdout and "worse: 403 counted" in done.stdout
    assert "▲ worse" in (await alice.says("actions", "list", "--all")).stdout
    assert "▲ block-ip 203.0.113.7  WORSE" in (await alice.says("actions", "show", "1")).stdout
    assert (await alice.json("actions", "show", "1"))["state"] == "done"


def test_the_words_of_actions_load_no_screens() -> None:
    look = "import sys, console.cli.actions, console.cli.audit; sys.exit('textual' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0


async def test_an_interrupted_one_leaves_with_what_to_choose_and_goes_on(
    agent: Agent, alice: Person, wait_for: Wait
) -> None:
    agent.cut.add("203.0.113.7")
    done = await alice.says(*BLOCK, "--yes", code=1)
    assert "interrupted: did it happen?; choose: tradex actions resume 1 again|skip|stop" in done.stdout
    await alice.says("actions", "resume", "1", "again")
    await wait_for(lambda: in_state(agent, 1, ActionState.DONE))
    assert "there is nothing to choose" in (await alice.says("actions", "resume", "1", "skip", code=4)).stderr


async def test_undo_goes_the_same_way_and_once(agent: Agent, alice: Person) -> None:
    await alice.says(*BLOCK, "--yes")
    shown = await alice.json("actions", "undo", "1", "--reason", "a mistake", "--yes")
    assert (shown["kind"], shown["target"], shown["undo_of"]) == ("unblock_ip", "203.0.113.7", 1)
    assert shown["cause"] == "action 1"
    assert shown["params"] == {"network": "203.0.113.7"}
    again = ("actions", "undo", "1", "--reason", "x", "--yes")
    assert "action 1 was undone by action 2" in (await alice.says(*again, code=4)).stderr
    head = (await alice.says("actions", "show", "1")).stdout.splitlines()[0]
    assert head == "– block-ip 203.0.113.7  UNDONE BY 2  (number 1)"
    assert "– undone by 2 " in (await alice.says("actions", "list", "--all")).stdout
    assert (
        "there is no action 9"
        in (await alice.says("actions", "undo", "9", "--reason", "x", "--yes", code=2)).stderr
    )


async def test_no_wait_leaves_at_once_and_cancel_ends_it_after_its_step(
    agent: Agent, alice: Person, wait_for: Wait
) -> None:
    agent.go.clear()
    done = await alice.says(*BLOCK, "--yes", "--no-wait")
    assert "it goes on: tradex actions show 1" in done.stdout
    await wait_for(lambda: in_state(agent, 1, ActionState.RUNNING))
    assert "ends after the present step" in (await alice.says("actions", "cancel", "1")).stdout
    assert "alice cancelled it already" in (await alice.says("actions", "cancel", "1", code=4)).stderr


async def test_list_show_and_kinds_tell_what_there_is(agent: Agent, alice: Person) -> None:
    assert (await alice.says("actions")).stdout == (
        "no action is under way; `tradex actions list --all` has what was done\n"
    )
    await alice.says(*BLOCK, "--yes")
    assert await alice.json("actions", "list") == []
    (row,) = await alice.json("actions", "list", "--all")
    assert (row["id"], row["state"]) == (1, "done")
    assert "block-ip 203.0.113.7" in (await alice.says("actions", "list", "--all")).stdout
    shown = (await alice.says("actions", "show", "1")).stdout
    for words in (
        "DONE",
        "it attacks (alice",
        "✓ address: it is nobody's of ours",
        "✓ role: alice is a responder",
        "✓ one at a time: no other one is under way",
        "$ INSERT INTO blocked_ips",
        "in force",
        "● proved",
        "confirmed",
    ):
        assert words in shown
    whole = await alice.json("actions", "show", "1")
    assert [s["state"] for s in whole["steps"]] == ["done", "done"]
    assert whole["output"][0]["kind"] == "command"
    assert whole["effects"][0]["state"] == "active"
    assert whole["history"][0]["actor"] == "alice"
    kinds = {k["name"]: k for k in await alice.json("actions", "kinds")}
    assert (kinds["failover"]["danger"], kinds["failover"]["second_person"]) == ("high", True)
    listed = (await alice.says("actions", "kinds")).stdout
    assert "can't be done here: it has no channels yet" in listed
    assert "network [length]" in listed or "network length" in listed
    header, failover = (line for line in listed.splitlines() if line.startswith(("kind", "failover")))
    assert failover[header.index("takes two") :].split()[0] == "yes"
    names = {line.split()[0]: line[header.index("takes two") :] for line in listed.splitlines()}
    assert names["suspend-account"].startswith("commander approves  ")
    assert "block-ip" in names and "block_ip" not in listed
    assert names["block-ip"].startswith(" "), "a responder may do it alone"


@pytest.mark.parametrize(
    "deed",
    [("show",), ("cancel",), ("approve", "--yes"), ("resume", "again"), ("undo", "--reason", "x", "--yes")],
)
async def test_a_number_that_is_none_is_a_misuse(
    place: Place, bob: Person, agent: Agent, deed: tuple[str, ...]
) -> None:
    said = (await bob.says("actions", deed[0], "7", *deed[1:], code=2)).stderr
    assert said == "tradex: there is no action 7: `tradex actions list --all` shows those of the last day\n"


async def test_a_list_that_is_cut_says_so(
    agent: Agent, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alice.says(*BLOCK, "--yes")
    await alice.says(*BLOCK, "--yes")
    assert (await alice.says("actions", "list", "--all")).stderr == ""
    monkeypatch.setattr("console.cli.actions._MOST", 1)
    done = await alice.says("actions", "list", "--all")
    assert "only the last 1: `tradex audit` has all" in done.stderr and done.stdout.count("block-ip") == 1


@pytest.mark.parametrize("command", [BLOCK, ("suspend", "a@b.c", "--reason", "x")])
async def test_an_empty_length_is_not_the_usual_one(alice: Person, command: tuple[str, ...]) -> None:
    done = await alice.says(*command, "--for", " ", "--yes", code=2)
    assert done.stderr == "tradex: --for: expected a duration such as 2m, 90s or 1h30m, not ' '\n"


class TestOnATerminal:
    async def test_it_asks_and_goes_on_with_yes(self, agent: Agent, alice: Person) -> None:
        with alice.terminal(*BLOCK) as terminal:
            await asyncio.to_thread(terminal.wait_for, "Block 203.0.113.7? [y/N]")
            terminal.send("y\r")
            await asyncio.to_thread(terminal.wait_for, "✓ action 1 done")
            assert await asyncio.to_thread(terminal.process.wait, 10) == 0

    @pytest.mark.parametrize(("keys", "code"), [("\r", 1), ("n\r", 1), ("\x04", 1), ("\x03", 130)])
    async def test_anything_else_withdraws_it(
        self, agent: Agent, alice: Person, keys: str, code: int
    ) -> None:
        with alice.terminal(*BLOCK) as terminal:
            await asyncio.to_thread(terminal.wait_for, "Block 203.0.113.7? [y/N]")
            terminal.send(keys)
            await asyncio.to_thread(terminal.wait_for, "withdrawn: nothing was changed")
            assert await asyncio.to_thread(terminal.process.wait, 10) == code
        assert (await found(agent.store, 1)).state is ActionState.CANCELLED

    async def test_choices_and_names_are_asked_for(self, agent: Agent, bob: Person) -> None:
        failover = ("actions", "start", "failover", "--set", "to=replica", "--reason", "x")
        with bob.terminal(*failover) as terminal:
            await asyncio.to_thread(terminal.wait_for, "type replica to confirm:")
            terminal.send("primary\r")
            await asyncio.to_thread(terminal.wait_for, "withdrawn: nothing was changed")
        with bob.terminal("suspend", "a@b.c", "--reason", "x") as terminal:
            await asyncio.to_thread(terminal.wait_for, "Open positions (keep/refuse):")
            terminal.send("keep\r")
            await asyncio.to_thread(terminal.wait_for, "Suspend a@b.c? [y/N]")
            terminal.send("y\r")
            await asyncio.to_thread(terminal.wait_for, "✓ action 2 done")

    async def test_ctrl_c_while_it_runs_leaves_it_running(
        self, agent: Agent, alice: Person, wait_for: Wait
    ) -> None:
        agent.go.clear()
        with alice.terminal(*BLOCK, "--yes") as terminal:
            await asyncio.to_thread(terminal.wait_for, "in the list now")
            terminal.send("\x03")
            await asyncio.to_thread(terminal.wait_for, "goes on without this command")
            assert await asyncio.to_thread(terminal.process.wait, 10) == 130
        agent.go.set()

        await wait_for(lambda: in_state(agent, 1, ActionState.DONE))

    async def test_a_lost_agent_and_a_store_that_went_away_are_told_and_waited_for(
        self, agent: Agent, place: Place, alice: Person
    ) -> None:
        agent.go.clear()
        with alice.terminal(*BLOCK, "--yes") as terminal:
            await asyncio.to_thread(terminal.wait_for, "in the list now")
            name = place.url.rpartition("/")[2]
            await place.owner(f'ALTER DATABASE "{name}" CONNECTION LIMIT 0')
            await place.owner(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'alice' AND datname = $1",
                name,
            )
            await asyncio.to_thread(terminal.wait_for, "; trying again")
            await place.owner("UPDATE console.lease SET expires_at = now()")
            await place.owner(f'ALTER DATABASE "{name}" CONNECTION LIMIT -1')
            await asyncio.to_thread(terminal.wait_for, "no agent leads: it goes on when one does")

    async def test_what_somebody_else_asked_for_too_stays_when_one_leaves_it(
        self, agent: Agent, alice: Person, bob: Person
    ) -> None:
        with alice.terminal(*BLOCK) as terminal:
            await asyncio.to_thread(terminal.wait_for, "[y/N]")
            assert "alice asked for this already" in (await bob.says(*BLOCK, "--dry-run")).stdout
            terminal.send("n\r")
            await asyncio.to_thread(terminal.wait_for, "action 1 stays: bob asked for it too")
        assert await in_state(agent, 1, ActionState.PLANNED)


async def test_what_a_release_says_of_itself_is_no_markup(agent: Agent, vera: Person) -> None:
    assert (await vera.says("releases")).stdout == "nothing was deployed yet\n"
    made = Released("v1.0", "5f0f6f3e6a9b", ReleaseState.LIVE, words="npm said [/b] and [red]")
    await releases.put(agent.store, agent.lease, None, made)
    assert "npm said [/b] and [red]" in (await vera.says("releases")).stdout


class TestAudit:
    async def test_it_is_listed_and_proved(self, agent: Agent, alice: Person, vera: Person) -> None:
        await alice.says(*BLOCK, "--dry-run")
        listed = await vera.json("audit", "list")
        assert [e["state"] for e in listed] == ["withdrawn", "planned", "requested"]
        assert {e["action"] for e in listed} == {1}
        assert listed[-1]["actor"] == "alice"
        assert [e["id"] for e in await vera.json("audit", "list", "--limit", "1")] == [3]
        assert len(await vera.json("audit", "list", "--action", "1")) == 3
        assert (
            "nothing is in the audit of action 2"
            in (await vera.says("audit", "list", "--action", "2")).stdout
        )
        assert "alice withdrew it" in (await vera.says("audit")).stdout
        assert (await vera.says("audit", "verify")).stdout == "● 3 entries, unbroken\n"

    async def test_an_anchor_finds_what_the_chain_alone_cannot(
        self, agent: Agent, place: Place, alice: Person, tmp_path: Path
    ) -> None:
        anchor = tmp_path / "anchor"
        await alice.says("audit", "verify", "--write-anchor", str(anchor))
        assert anchor.read_text().startswith("0  2"), "of an empty audit"
        await alice.says("audit", "verify", "--anchor", str(anchor))
        await alice.says(*BLOCK, "--dry-run")
        await alice.says("audit", "verify", "--write-anchor", str(anchor))
        seq, digest, _ = anchor.read_text().split()
        assert (seq, digest) == ("3", (await audit.head(agent.store))[1])
        assert anchor.stat().st_mode & 0o777 == 0o600
        shown = await alice.json("audit", "verify", "--anchor", str(anchor))
        assert (shown["state"], shown["entries"], shown["seq"]) == ("unbroken", 3, 3)
        async with place.raw("postgres") as owner:
            await owner.execute("ALTER TABLE console.audit DISABLE TRIGGER append_only")
            await owner.execute("DELETE FROM console.audit WHERE seq = 3")
            await owner.execute(
                "UPDATE console.audit_head AS h SET seq = a.seq, hash = a.hash FROM console.audit AS a WHERE a.seq = 2"
            )
        await alice.says("audit", "verify")
        done = await alice.says("audit", "verify", "--anchor", str(anchor), code=1)
        assert "entry 3 of the anchor is missing: the tail was cut off" in done.stdout
        anchor.write_text("3 nonsense 2026")
        assert (
            "NUMBER HASH TIME"
            in (await alice.says("audit", "verify", "--anchor", str(anchor), code=2)).stderr
        )
        assert (
            "No such file" in (await alice.says("audit", "verify", "--anchor", "/nowhere/x", code=2)).stderr
        )

    async def test_an_export_can_be_proved_without_the_store(
        self, agent: Agent, alice: Person, tmp_path: Path
    ) -> None:
        await alice.says("block-ip", "203.0.113.7", "--reason", "=é\u202e", "--dry-run")
        lines = [json.loads(line) for line in (await alice.says("audit", "export")).stdout.splitlines()]
        before = ""
        for line in lines:
            number, at, digest = line.pop("seq"), datetime.fromisoformat(line.pop("at")), line.pop("hash")
            entry = AuditEntry(seq=number, at=at, action_id=line.pop("action"), hash="", **line)
            assert audit.hash_of(before, entry) == digest
            before = digest
        assert (number, before) == (await audit.head(agent.store))[:2]
        file = tmp_path / "audit.csv"
        assert "3 entries in" in (await alice.says("audit", "export", "--csv", str(file))).stdout
        rows = list(csv.DictReader(file.open()))
        assert [r["verb"] for r in rows] == ["requested", "planned", "withdrawn"]
        assert "can't be written" in (await alice.says("audit", "export", "/nowhere/x", code=2)).stderr

    async def test_what_a_spreadsheet_would_compute_is_text_and_a_name_is_shown_safely(
        self, agent: Agent, place: Place, alice: Person, tmp_path: Path
    ) -> None:
        async with place.open("alice") as store:
            with pytest.raises(Refused):
                await ask(store, "=cmd|' /c calc'!A0", "x")
        done = await alice.says("audit", "export", "--csv")
        (row,) = csv.DictReader(done.stdout.splitlines())
        assert row["subject"] == "'=cmd|' /c calc'!A0 x" and row["detail"].startswith("{")
        file = tmp_path / "au\x1b[31mdit.csv"
        assert "\x1b" not in (await alice.says("audit", "export", "--csv", str(file))).stdout
