"""`tradex agent`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from typing import Any

import click

from console.cli.connect import loaded
from console.domain.errors import Misuse
from console.settings import Settings


@click.command()
@click.option("--name", help="How consoles show this agent.")
@click.option("--tick", "tick_s", type=float, help="Seconds between two collections.")
@click.option(
    "--health-port", type=int, help="Serve /health and /metrics on this loopback port (0: a free one)."
)
@click.pass_obj
def agent(options: dict[str, Any], name: str | None, tick_s: float | None, health_port: int | None) -> None:
    """Watch the platform and write what is seen into the store, until SIGTERM."""
    from console.settings import load

    base = loaded(options)
    settings = load(
        file=base.file,
        environment=options.get("environment"),
        flags={
            "agent.name": name,
            "agent.tick_s": tick_s,
            "agent.health_port": health_port,
            "store.user": options.get("person"),
        },
    ).settings
    if settings.store.url is None:
        raise Misuse("the agent needs store.url: set it in config.toml or TRADEX_STORE__URL")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    from console.agent import Agent
    from console.agent_http import serve

    watch = Agent(settings)
    task = asyncio.create_task(watch.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    loop.add_signal_handler(signal.SIGHUP, watch.reload)
    port = settings.agent.health_port
    with contextlib.suppress(asyncio.CancelledError):
        if port is None:
            await task
        else:
            with serve(watch.vitals, port, settings.environment) as bound:
                logging.getLogger("tradex.agent").info("health and metrics on 127.0.0.1:%d", bound)
                await task
