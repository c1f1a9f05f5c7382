"""Deployments from real consoles, with an agent that is a process of its own: ten that press `D` at once, and one whose
terminal is closed in the middle."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from console.app import TradexApp
from console.domain.action import ActionState
from console.feed import LiveFeed
from console.store import releases
from screens.plan_dialog import PlanDialog
from tests.chaos import actions as chaos
from tests.chaos import deployments
from tests.demo import TRADEX
from tests.store.stores import password_of
from tests.terminal import Terminal
from tests.ui.drive import shown

from .conftest import Stage

CONSOLES = 10
OLD, NEW, OTHER = "v2.8.1", "v2.9.0", "v2.10.0"
REASON = "a test's reason"
_WARNED = re.compile(r"┃\s+▲ (.*?)\s*┃")
_CONFIRMED = re.compile(r"action \d+, deploy .*?: confirmed; 7 shows how it goes")


@dataclass
class Deploying:
    """An agent that deploys on the stage's platform. `settings` is its file."""

    stage: Stage
    folder: Path
    settings: Path
    agents: chaos.Agents = field(init=False)

    def __post_init__(self) -> None:
        self.agents = chaos.Agents(self.stage.place, self.settings)

    async def functions(self) -> dict[str, int]:
        """Each function's version, as the platform's management API has it."""
        return await deployments.functions(self.stage.platform)

    async def effects(self) -> dict[str, int]:
        """How often each kind of change reached the platform, as it counts them itself."""
        return {effect: await self.stage.platform.effects(effect) for effect in deployments.EFFECTS}

    async def runs(self) -> str:
        """The release that everybody gets."""
        async with self.stage.platform.client() as client:
            return f"v{(await client.get('/health')).json()['version']}"


@pytest.fixture
async def deploying(stage: Stage, tmp_path: Path) -> AsyncIterator[Deploying]:
    made = Deploying(stage, tmp_path, deployments.settings(stage.platform, tmp_path))
    try:
        yield made
    finally:
        made.agents.end()
    # The platform is everybody's: as it was.
    if await made.runs() != OLD:
        await chaos.lapsed(stage.place)
        await deployments.calm(stage.place, deployments.settings(stage.platform, tmp_path), "rollback", OLD)


async def pressed(stage: Stage, name: str, release: str, ready: asyncio.Barrier) -> str:
    """A console of this person, in which all that `D` leads to is done; the line that is told in the end. It waits for
    the others before it presses `D`, and before it confirms."""
    feed = LiveFeed(stage.place.url_of(name), password=password_of(name))
    app = TradexApp(feed, theme="dark", bell=False)
    async with app.run_test(size=(120, 40)) as pilot:
        await stage.wait_for(lambda: feed.snapshot.kind("deploy") and feed.snapshot.agent.leader, timeout=60)
        await ready.wait()
        await pilot.press("D")
        await stage.wait_for(
            lambda: isinstance(app.screen, PlanDialog) and app.screen.query("#buttons"), timeout=60
        )
        dialog = app.screen
        assert isinstance(dialog, PlanDialog)
        await pilot.press(*release, "enter", *REASON, "enter")
        # Once the plan is there the field for it is in front.
        await stage.wait_for(lambda: dialog.query_one("#typed").has_focus, timeout=60)
        await pilot.press(*"test", "enter")
        await ready.wait()
        await pilot.press("y")
        await stage.wait_for(lambda: app.screen is not dialog or _WARNED.search(shown(app)), timeout=60)
        if app.screen is dialog:
            return "; ".join(_WARNED.findall(shown(app)))
        await stage.wait_for(lambda: _CONFIRMED.search(shown(app)), timeout=60)
        return "; ".join(_CONFIRMED.findall(shown(app)))


async def test_ten_consoles_press_d_at_once_and_there_is_one_deployment(deploying: Deploying) -> None:
    stage = deploying.stage
    deploying.agents.start("agent")
    await stage.wait_for(lambda: releases.recent(stage.alice), timeout=30)
    functions, effects = await deploying.functions(), await deploying.effects()
    ready = asyncio.Barrier(CONSOLES)
    # Three of each person want the one, two of each the other.
    consoles = [(("alice", "bob")[i % 2], OTHER if i < 4 else NEW) for i in range(CONSOLES)]
    told = await asyncio.gather(*(pressed(stage, name, release, ready) for name, release in consoles))
    (row,) = await stage.place.owner(
        "SELECT id, target, confirmed_by FROM console.action WHERE kind = 'deploy' AND confirmed_by <> ''"
    )
    number, release, by = row["id"], row["target"], row["confirmed_by"]
    yes = f"action {number}, deploy {release}: confirmed; 7 shows how it goes"
    assert told.count(yes) == 1, told
    # To everybody else it is said in one line whose it is; which one depends on what they had heard by then.
    no = re.compile(
        rf"{by} confirmed it already|(alice|bob) asked for this already: it is action {number}|"
        rf"action {number} of (alice|bob) is under way: deploy {release}|\w+: .*{by} confirmed it.*"
    )
    assert [line for line in told if line != yes and not no.fullmatch(line)] == []
    ended = await stage.ended(number, timeout=60)
    assert ended.state is ActionState.DONE and ended.plan is not None, ended.words
    assert await deploying.runs() == release
    changed = ended.plan.pins["functions"].split()
    stepped = {name: version - functions[name] for name, version in (await deploying.functions()).items()}
    assert changed and stepped == {name: int(name in changed) for name in functions}
    times = {name: count - effects[name] for name, count in (await deploying.effects()).items()}
    assert times == {name: len(changed) if name == "function_deployed" else 1 for name in times}


async def test_a_terminal_that_is_closed_in_the_middle_changes_nothing(deploying: Deploying) -> None:
    stage, pipeline = deploying.stage, deploying.folder / "pipelines" / "deploy.yaml"
    reached, go = deploying.folder / "reached", deploying.folder / "go"
    gate = (
        "  gate:\n    title: wait at the gate\n    harmless: true\n    command:\n"
        '      argv: [sh, -c, \'touch "$REACHED"; until [ -e "$GO" ]; do sleep 0.02; done\']\n'
        f"      env: {{REACHED: {reached}, GO: {go}}}\n"
    )
    shipped = pipeline.read_text()
    assert "  promote:\n" in shipped
    pipeline.write_text(shipped.replace("  promote:\n", f"{gate}  promote:\n"))
    agent = psutil.Process(deploying.agents.start("agent").pid)
    await stage.wait_for(lambda: releases.recent(stage.alice), timeout=30)
    env = {
        "TRADEX_STORE__URL": stage.place.url_of("alice"),
        "TRADEX_STORE__PASSWORD": password_of("alice"),
        "TRADEX_STATE_DIR": str(deploying.folder / "state"),
        "XDG_CONFIG_HOME": str(deploying.folder / "no config"),
    }

    def closed_in_the_middle() -> int:
        """The session that the console was in."""
        with Terminal(TRADEX, env=env) as terminal:
            terminal.wait_for("lead agent")
            terminal.send("7")
            # What may be deployed comes with what can be done at all.
            terminal.wait_for(NEW)
            terminal.send("1D")
            terminal.wait_for("why, for the audit")
            terminal.send(f"{NEW}\r{REASON}\r")
            terminal.wait_for("type: test")
            terminal.send("test\r")
            terminal.wait_for("enter cancels")
            terminal.send("y")
            terminal.wait_for(": confirmed;")
            terminal.wait_for(lambda _: reached.exists(), 60)
            terminal.hang_up()
            terminal.process.wait(15)
            return terminal.process.pid

    session = await asyncio.to_thread(closed_in_the_middle)
    assert not [each for each in psutil.process_iter() if _session(each) == session]
    (row,) = await stage.place.owner("SELECT id, state FROM console.action WHERE kind = 'deploy'")
    assert row["state"] == "running"
    go.touch()
    ended = await stage.ended(row["id"], timeout=60)
    assert ended.state is ActionState.DONE, ended.words
    assert await deployments.version(stage.platform) == NEW
    await stage.wait_for(lambda: not agent.children(recursive=True))


def _session(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except ProcessLookupError:
        return None
