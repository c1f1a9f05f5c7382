"""`tradex demo` and `tradex up`: everything in one command, ended with it."""

from __future__ import annotations

import getpass
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from console.cli import demo_stack
from console.cli import stack as parts
from console.cli.connect import Target, loaded
from console.cli.local import Running, StateFolder
from console.cli.open import run_app
from console.domain.errors import Misuse, TradexError
from console.places import config_file, state_dir


@click.command()
@click.option("--headless", is_flag=True, help="Everything but the console, until SIGTERM.")
@click.option(
    "--rate", type=click.FloatRange(0.1, 127), default=20, show_default=True, help="Orders per second."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the platform's random numbers.")
@click.option(
    "--time-scale",
    type=click.FloatRange(1, 100),
    default=demo_stack.TIME_SCALE,
    show_default=True,
    help="How much faster windows and durations run than the clock.",
)
@click.pass_obj
def demo(options: dict[str, Any], headless: bool, rate: float, seed: int, time_scale: float) -> None:
    """The console on a live, embedded trading platform. Ends with it; its data is kept."""
    settings = loaded({**options, "environment": None} if options.get("config") is None else options).settings
    folder = StateFolder(state_dir())
    with _until_signalled(), parts.Stack(folder) as stack:
        running = demo_stack.start_sandbox(stack, demo_stack.Sandbox(rate, seed, time_scale))
        _run(stack, running, settings, options, headless)


@click.command()
@click.option("--headless", is_flag=True, help="Everything but the console, until SIGTERM.")
@click.pass_obj
def up(options: dict[str, Any], headless: bool) -> None:
    """Embedded store, agent and console for one operator; the platform comes from config.toml."""
    found = loaded({**options, "person": None})
    settings = found.settings
    if settings.platform.base_url is None and settings.platform.database_url is None:
        raise Misuse(
            "no platform is configured: set platform.base_url in config.toml (README, 'a real platform')"
        )
    if settings.store.url is not None:
        raise Misuse(
            "store.url is set: run `tradex agent` and `tradex` on that store, or remove it for `tradex up`"
        )
    name = options.get("person") or getpass.getuser()
    person = name if name not in {"postgres", parts.AGENT} else "operator"
    folder = StateFolder(state_dir())
    with _until_signalled(), parts.Stack(folder) as stack:
        running = parts.start_up(
            stack, settings, found.file or config_file(), options.get("environment"), person
        )
        _run(stack, running, settings, options, headless)


def _run(
    stack: parts.Stack,
    running: Running,
    settings: Any,
    options: dict[str, Any],
    headless: bool,
) -> None:
    if headless:
        parts.wait_until_live(stack, running)
        stack.announce(running)
        where = running.platform_url or running.environment
        click.echo(f"ready {running.environment} {where} (state {stack.folder.path})")
        try:
            while not stack.failure:
                signal.pause()
        except SystemExit:
            if stack.failure is None:
                raise
    else:
        stack.announce(running)
        person = options.get("person") or running.person
        if person not in running.people:
            raise Misuse(f"nobody is called {person!r} here: choose one of {', '.join(running.people)}")
        where = Target(running.store_url, person, stack.folder.secret(person), bool(options.get("read_only")))
        look = settings.console
        run_app(where, theme=look.theme, ascii=look.ascii, bell=look.bell)
    if stack.failure:
        raise TradexError(stack.failure)


@contextmanager
def _until_signalled() -> Iterator[None]:
    """SIGTERM, SIGINT and SIGHUP unwind once, so that every part is ended in order."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def end(number: int, _frame: object) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(0 if number == signal.SIGTERM else 128 + number)

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
