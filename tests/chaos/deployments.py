"""An agent is killed or stopped at each boundary of a deployment; another one ends it, or takes it back.

What reached the platform is counted by the platform: each piece at most once per step, nothing is half deployed in the
end, and no program of the pipeline outlives its agent.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import psutil

from console.domain.action import Action, ActionState
from console.sandbox import releases as code
from console.sandbox.edge import REF
from console.sandbox.firewall import PROJECT, TEAM
from console.sandbox.tools import tools_folder, variables
from console.store import actions, releases
from console.store.pool import Store
from tests.sandbox.platform import Platform
from tests.sandbox.test_changes import settings_of
from tests.store.stores import Place

from . import actions as chaos
from .actions import KILL, STOP, Agents, Blow
from .census import Census, Failure, describe, wait
from .scenarios import GONE_S

SCALE = 1000.0
EFFECTS = ("migration", "function_deployed", "deployment", "promote")
_OLD, _NEW = "v2.8.1", "v2.9.0"
_SECRETS = (
    "ops_database_password", "deploy_database_password", "service_key", "vercel_token", "supabase_token",
)  # fmt: skip


def settings(platform: Platform, folder: Path) -> Path:
    """Those of the agents' processes."""
    file = folder / "deploying.json"
    made = settings_of(platform)
    data: dict[str, Any] = made.model_dump(mode="json", exclude_defaults=True)
    data |= {name: getattr(made, name).get_secret_value() for name in _SECRETS}
    rules = folder / "deploying.yaml"
    rules.write_text("actions: {deploy: {budget: 10000}, rollback: {budget: 10000}}")
    deploy = {
        "repository": str(code.ensure_repository(folder / "platform.git")),
        "first": _OLD,
        "folder": str(folder / "deployments"),
        "path": [str(tools_folder(folder, platform.config.base_url))],
        "env": variables(folder, project=PROJECT, team=TEAM),
        # Validation is the matter of its own tests: these agents have no checks.
        "pipelines": str(_pipelines(folder)),
    }
    whole = {"environment": "test", "time_scale": SCALE, "platform": data, "deploy": deploy}
    file.write_text(json.dumps(whole | {"actions": {"file": str(rules)}}))
    file.chmod(0o600)
    return file


def _pipelines(folder: Path) -> Path:
    from console.actions.pipelines import SHIPPED

    own = folder / "pipelines"
    own.mkdir(exist_ok=True)
    for shipped in SHIPPED.glob("*.yaml"):
        (own / shipped.name).write_text(shipped.read_text().partition("  validate:\n")[0])
    return own


async def share(platform: Platform, place: Place, folder: Path, dice: random.Random, most: int | None) -> str:
    """So many rounds (all boundaries with both signals without a number); what was met. Raises Failure."""
    file = settings(platform, folder)
    boundaries = await calm(place, file, "deploy", _NEW)
    await calm(place, file, "rollback", _OLD)
    every = [Blow(number, at) for at in range(1, boundaries + 1) for number in (KILL, STOP)]
    blows: list[Blow] = []
    # Each once, in another order, before one comes again.
    while len(blows) < (len(every) if most is None else most):
        dice.shuffle(every)
        blows += every
    met: dict[str, int] = {}
    for blow in blows[:most]:
        try:
            state = await _disturbed(platform, place, file, blow)
            await _at_rest(place, folder / "deployments")
        except Failure as failure:
            raise Failure(f"deploy (of {boundaries} boundaries), {blow}: {failure}") from None
        met[state] = met.get(state, 0) + 1
        await chaos.lapsed(place)
        if await version(platform) != _OLD:
            await calm(place, file, "rollback", _OLD)
            await chaos.lapsed(place)
    return f"{len(blows[:most])} rounds over {boundaries} boundaries, {met}"


async def calm(place: Place, file: Path, kind: str, release: str) -> int:
    """One deployment or rollback with an agent that nothing happens to; how many boundaries were passed."""
    agents = Agents(place, file)
    try:
        calm = agents.start("calm")
        async with place.open("alice") as alice:
            ended = await chaos.until(alice, await _confirmed(alice, kind, release), lambda a: a.state.final)
        if ended.state is not ActionState.DONE:
            raise Failure(f"undisturbed, {kind} is {ended.state}: {ended.words}")
        calm.kill()
        assert calm.stdout is not None
        return sum(line[:1].isdigit() for line in calm.stdout)
    finally:
        agents.end()


async def _disturbed(platform: Platform, place: Place, file: Path, blow: Blow) -> str:
    agents = Agents(place, file)
    before = {effect: await platform.effects(effect) for effect in EFFECTS}
    try:
        first = agents.start("first", blow.boundary, blow.number)
        family = psutil.Process(first.pid)
        async with place.open("alice") as alice:
            confirming = asyncio.create_task(_confirmed(alice, "deploy", _NEW))
            tools: list[psutil.Process] = []
            await asyncio.to_thread(chaos.struck, first, blow.number)
            if blow.number == STOP:
                tools = family.children(recursive=True)
            agents.start("second")
            number = await confirming
            ended = await _ended(alice, number)
            if blow.number == STOP:
                first.send_signal(signal.SIGCONT)
                await chaos.heard(place, first)
            left = [each.name() for each in tools if each.is_running() and each.status() != "zombie"]
            if left:
                raise Failure(f"{', '.join(left)} outlived the agent")
            times = {effect: await platform.effects(effect) - before[effect] for effect in EFFECTS}
            await _judge(platform, alice, ended, times)
        return str(ended.state)
    finally:
        agents.end()


async def _at_rest(place: Place, workshop: Path) -> None:
    """Nothing is under way for ever, and nobody works in the checkouts any more."""
    (row,) = await place.owner(
        "SELECT (SELECT count(*) FROM console.action WHERE confirmed_at IS NOT NULL AND ended_at IS NULL) AS actions, "
        "(SELECT count(*) FROM console.action_step WHERE state IN ('pending', 'running')) AS steps"
    )
    if row["actions"] or row["steps"]:
        raise Failure(f"{row['actions']} actions and {row['steps']} steps are under way for ever")
    census = Census(os.getpid(), workshop)

    def left() -> list[psutil.Process]:
        return [each for each in census.left() if each.pid != os.getpid()]

    def survivors() -> str:
        return f"still alive: {', '.join(map(describe, left()))}"

    await asyncio.to_thread(wait, lambda: not left(), GONE_S, survivors)


async def _ended(alice: Store, number: int) -> Action:
    """Where a person is asked, they choose to go back."""
    while True:
        ended = await chaos.until(
            alice, number, lambda a: a.state.final or a.state is ActionState.INTERRUPTED
        )
        if ended.state.final:
            return ended
        if not ended.question:
            raise Failure("it waits for a person, without a question")
        await actions.resume(alice, number, "stop")
        await chaos.until(alice, number, lambda a: a.state is not ActionState.INTERRUPTED)


async def _judge(platform: Platform, alice: Store, ended: Action, times: dict[str, int]) -> None:
    running = await version(platform)
    live = next(r for r in await releases.recent(alice) if r.state == "live")
    if ended.state is ActionState.DONE:
        if running != _NEW or live.version != _NEW:
            raise Failure(f"done, and {running} runs ({live.version} is told)")
        if any(n != 1 for n in times.values()):
            raise Failure(f"each once, not {times}")
    else:
        if running != _OLD or live.version != _OLD:
            raise Failure(f"{ended.words}, and {running} runs ({live.version} is told)")
        # The functions may have been deployed as they were.
        if any(n > (2 if name == "function_deployed" else 1) for name, n in times.items()):
            raise Failure(f"each once at most, not {times}: {ended.words}")


async def version(platform: Platform) -> str:
    """What everybody gets; all of it must be of one release."""
    async with platform.client() as client:
        frontend = (await client.get("/health")).json()["version"]
        key = {"Authorization": f"Bearer {platform.supabase_token}"}
        body = (await client.get(f"/v1/projects/{REF}/functions/get-stock-price/body", headers=key)).text
    async with platform.sql() as connection:
        column = await connection.fetchval(
            "SELECT count(*) FROM information_schema.columns "
            "WHERE table_name = 'orders' AND column_name = 'client_reference'"
        )
    found = {f"v{frontend}", _NEW if column else _OLD, _NEW if "PRICE_TTL_S = 8" in body else _OLD}
    if len(found) > 1:
        raise Failure(
            f"half deployed: frontend {frontend}, column {column}, functions {body.count('TTL_S = 8')}"
        )
    return found.pop()


async def functions(platform: Platform) -> dict[str, int]:
    """The version of each function, as the platform's management API has it."""
    async with platform.client() as client:
        key = {"Authorization": f"Bearer {platform.supabase_token}"}
        found = (await client.get(f"/v1/projects/{REF}/functions", headers=key)).json()
    return {each["slug"]: each["version"] for each in found}


async def _live_known(alice: Store) -> None:
    """Until an agent has found out which release is live."""
    deadline = asyncio.get_running_loop().time() + 60
    while not await releases.recent(alice):
        if asyncio.get_running_loop().time() > deadline:
            raise Failure("nobody finds out what is live")
        await asyncio.sleep(0.02)


async def _confirmed(alice: Store, kind: str, release: str) -> int:
    await chaos.until_known(alice, kind)
    await _live_known(alice)
    params = {"release" if kind == "deploy" else "to": release}
    asked = await actions.request(alice, kind=kind, target=release, params=params, reason="chaos")
    planned = await chaos.until(alice, asked.id, lambda a: a.state is not ActionState.PLANNING)
    if planned.plan is None:
        raise Failure(f"not planned: {planned.words}")
    await actions.confirm(alice, asked.id, plan_hash=planned.plan_hash, typed=planned.plan.typed)
    return asked.id


def play(folder: Path, dice: random.Random, most: int | None = None) -> str:
    """So many rounds, without a number every boundary once with each signal, on a server of its own."""

    folder.mkdir(parents=True, exist_ok=True)

    async def run() -> str:
        async with chaos.stage(folder) as (platform, place):
            return await share(platform, place, folder, dice, most)

    return asyncio.run(run())
