"""`tradex drill`: faults in the sandbox, on purpose."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import click

from console.cli.connect import opened, running
from console.cli.local import secret_file
from console.domain.errors import Misuse, TradexError
from console.domain.text import printable
from console.places import read_secret, state_dir

CONTROL_SECRET = "control_token"  # noqa: S105 - the name of a file, not the token


@click.command()
@click.argument("name", required=False)
@click.option("--for", "seconds", type=click.FloatRange(min=1, max=86400), help="How long, in seconds.")
@click.option("--stop", is_flag=True, help="End the named drill, or all of them.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def drill(
    options: dict[str, Any], name: str | None, seconds: float | None, stop: bool, as_json: bool
) -> None:
    """Inject a fault into the running sandbox. Without a name: which drills there are and which run."""
    here = running()
    if here is None or here.control_url is None:
        raise Misuse("no sandbox runs in the state folder: `tradex demo` starts one")
    control = here.control_url
    known: list[dict[str, Any]] = _ask("GET", control)["drills"]
    names = [d["name"] for d in known]
    if name is not None and name not in names:
        raise Misuse(f"no drill {name!r}: choose one of {', '.join(names)}")
    if name is None and not stop:
        _show(known, as_json)
        return
    ended = [name] if name else [d["name"] for d in known if d.get("running")]
    if stop:
        for each in ended:
            _note(options, each, f"drill {each} stopped")
            _ask("DELETE", f"{control}/{each}")
        click.echo(
            json.dumps({"stopped": ended}) if as_json else f"stopped: {', '.join(ended) or 'none ran'}"
        )
        return
    drilled = next(d for d in known if d["name"] == name)
    seconds = seconds or float(drilled["default_seconds"])
    # Written down first: who may not write into the timeline may not start a fault either.
    _note(options, str(name), f"drill {name} started for {seconds:.0f} s")
    started = _ask("POST", f"{control}/{name}", {"seconds": seconds})
    if as_json:
        click.echo(json.dumps(started))
    else:
        click.echo(f"{name} runs for {started['seconds']:.0f} s: {printable(started['effect'])}")
        click.echo(f"to be seen: {printable(started['expect'])}")
        click.echo(f"stop it with: tradex drill {name} --stop")


def _note(options: dict[str, Any], subject: str, text: str) -> None:
    """Into the timeline, by the person whose console this is. Refused for who may change nothing."""

    async def write() -> None:
        from console.store import timeline

        async with opened(options) as store:
            await timeline.note_drill(store, name=subject, text=text)

    asyncio.run(write())


def _show(known: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(known, indent=2))
        return
    width = max(len(d["name"]) for d in known)
    for each in known:
        left = f"  runs, {each['remaining_s']:.0f} s left" if each.get("running") else ""
        click.echo(f"{each['name']:<{width}}  {printable(each['title'])}{left}")


def _ask(method: str, url: str, body: dict[str, Any] | None = None) -> Any:
    import httpx

    token = read_secret(secret_file(state_dir(), CONTROL_SECRET))
    headers = {"Authorization": f"Bearer {token}"}
    try:
        answer = httpx.request(method, url, headers=headers, json=body, timeout=10, trust_env=False)
    except httpx.HTTPError as error:
        raise TradexError(f"the sandbox does not answer: {printable(error)}") from None
    if answer.status_code >= 400:
        raise TradexError(f"the sandbox refused: HTTP {answer.status_code} {printable(answer.text, 200)}")
    return answer.json()
