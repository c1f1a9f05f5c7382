"""The actions that are asked for often, each as a command of its own: `tradex block-ip` and its like. Every other kind
is started with `tradex actions start`."""

from __future__ import annotations

from typing import Any

import click

from console.cli.doing import start
from console.cli.how import How, answers
from console.cli.how import reason as _reason
from console.domain import duration
from console.domain.errors import Misuse


def _said(_: click.Context, option: click.Parameter, length: str | None) -> str | None:
    """An empty variable of a script is no wish for the usual length either. Raises Misuse."""
    # How long is too long is the plan's to say.
    if length is not None and duration.parse(length, longest=duration.ANY_LENGTH) is None:
        raise Misuse(f"{option.opts[0]}: expected {duration.EXPECTED}, not {length!r}")
    return length


_length = click.option(
    "--for", "length", metavar="DURATION", callback=_said, help="24h, 30m; it ends by itself."
)


@click.command("block-ip")
@click.argument("address")
@_reason
@_length
@answers
@click.pass_obj
def block_ip(options: dict[str, Any], address: str, reason: str, length: str | None, how: How) -> None:
    """Refuse all requests of an address or a network, on every layer that is configured."""
    start(options, "block_ip", {"network": address, "length": length}, reason, how)


@click.command("unblock-ip")
@click.argument("address")
@_reason
@answers
@click.pass_obj
def unblock_ip(options: dict[str, Any], address: str, reason: str, how: How) -> None:
    """Lift the block of an address or a network."""
    start(options, "unblock_ip", {"network": address}, reason, how)


@click.command()
@click.argument("account")
@_reason
@_length
@answers
@click.pass_obj
def suspend(options: dict[str, Any], account: str, reason: str, length: str | None, how: How) -> None:
    """Suspend an account (its id or e-mail): its sessions end, its orders are refused."""
    start(options, "suspend_account", {"account": account, "length": length}, reason, how)


@click.command()
@click.argument("account")
@_reason
@answers
@click.pass_obj
def reinstate(options: dict[str, Any], account: str, reason: str, how: How) -> None:
    """Let a suspended account (its id or e-mail) trade again."""
    start(options, "reinstate_account", {"account": account}, reason, how)


@click.command("reset-password")
@click.argument("account")
@_reason
@answers
@click.pass_obj
def reset_password(options: dict[str, Any], account: str, reason: str, how: How) -> None:
    """Make an account's password useless and send its owner the mail to set a new one."""
    start(options, "reset_password", {"account": account}, reason, how)


@click.group()
def maintenance() -> None:
    """Maintenance mode of the platform: everybody gets 503 while it is on."""


@maintenance.command("on")
@_reason
@answers
@click.pass_obj
def maintenance_on(options: dict[str, Any], reason: str, how: How) -> None:
    """Turn it on."""
    start(options, "maintenance_on", {}, reason, how)


@maintenance.command("off")
@_reason
@answers
@click.pass_obj
def maintenance_off(options: dict[str, Any], reason: str, how: How) -> None:
    """Turn it off."""
    start(options, "maintenance_off", {}, reason, how)
