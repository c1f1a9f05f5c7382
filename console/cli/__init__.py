"""The `tradex` command: parse, call, print. Each command is imported only when it is used."""

from __future__ import annotations

import importlib
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from console import __version__
from console.domain.errors import TradexError
from console.domain.text import printable

# name: (module, attribute, help). The help stands here so that `--help` imports nothing.
_COMMANDS = {
    "up": ("up", "up", "Console, agent and embedded store for one operator with a real platform."),
    "demo": ("up", "demo", "The console on a live, embedded trading platform."),
    "agent": ("agent", "agent", "The headless watch of a team with a store of its own."),
    "status": ("status", "status", "Health of the platform and its components."),
    "metrics": ("status", "metrics", "Every metric with its value and level."),
    "alerts": ("alerts", "alerts", "Alerts: list, show, ack, unack, silence, unsilence."),
    "incident": (
        "incident",
        "incident",
        "Incidents: open, notes, steps, roles, updates, post-mortem, hand-over.",
    ),
    "rules": ("rules", "rules", "Alert rules: check a file, replay it over the past."),
    "logs": ("logs", "logs", "The platform's logs, live or of the last minutes."),
    "security": ("security", "security", "Attacks: findings, show, dismiss."),
    "block-ip": ("act", "block_ip", "Refuse all requests of an address or a network."),
    "unblock-ip": ("act", "unblock_ip", "Lift a block."),
    "suspend": ("act", "suspend", "Suspend an account: sessions end, orders are refused."),
    "reinstate": ("act", "reinstate", "Let a suspended account trade again."),
    "reset-password": ("act", "reset_password", "Have an account set a new password."),
    "maintenance": ("act", "maintenance", "Maintenance mode of the platform: on, off."),
    "deploy": ("deploy", "deploy", "Deploy a commit; what goes wrong is taken back by itself."),
    "rollback": ("deploy", "rollback", "Go back to an earlier release."),
    "releases": ("deploy", "releases", "What was deployed, and what is live."),
    "pipeline": ("deploy", "pipeline", "What deployments do: check a file of your own."),
    "actions": (
        "actions",
        "actions",
        "Actions: list, show, kinds, start, approve, cancel, resume, undo, freezes.",
    ),
    "checklist": (
        "checklist",
        "checklist",
        "Recurring checklists: list, show, tick, untick, skip, start, history.",
    ),
    "runbook": ("runbook", "runbook", "Runbooks: list, show, start, tick, check."),
    "validate": ("validate", "validate", "Check the platform: --env, --pre, --post a deployment."),
    "audit": ("audit", "audit", "Who did what: list, verify, export."),
    "drill": ("drill", "drill", "Inject a fault into the sandbox."),
    "db": ("db", "db", "The console's own database: upgrade, status."),
    "config": ("config", "config", "The effective settings and where each comes from."),
    "sandbox": ("sandbox", "sandbox", "Look into the simulated platform."),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        return getattr(importlib.import_module(f"console.cli.{module}"), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in _COMMANDS.items()])


@click.group(cls=_Lazy, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tradex")
@click.option("--config", "config", type=click.Path(path_type=Path), help="Settings file (config.toml).")
@click.option("--env", "environment", metavar="NAME", help="Which of the configured environments.")
@click.option("--as", "person", metavar="NAME", help="Log in to the store as this person.")
@click.option("--read-only", is_flag=True, help="A session that can change nothing.")
@click.option("--theme", type=click.Choice(["dark", "light", "high-contrast", "16-colours"]))
@click.pass_context
def main_group(ctx: click.Context, **options: Any) -> None:
    """The operations console of a trading platform. Without a command: the console itself."""
    ctx.obj = options
    if ctx.invoked_subcommand is None:
        from console.cli.open import open_console

        open_console(options)


def main() -> None:
    """Entry point: every expected error is one line on stderr and an exit code, never a traceback."""
    _refuse_foreign_console()
    try:
        code = main_group.main(standalone_mode=False)
    except TradexError as error:
        # What is wrong with a rule file is told in three lines: the place, the line there, and the carets beneath it.
        lines = str(error).splitlines() or [""]
        click.echo("\n".join(printable(line, 2000) for line in (f"tradex: {lines[0]}", *lines[1:])), err=True)
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        if isinstance(error, click.MissingParameter):
            click.echo(f"For example: {_completed(error)}", err=True)
        code = 2
    except (click.Abort, KeyboardInterrupt):
        code = 130
    except BrokenPipeError:
        code = 0
    sys.exit(code if isinstance(code, int) else 0)


def _completed(error: click.MissingParameter) -> str:
    """The same command with all that it lacks, and without words that it has no place for."""
    given, ctx = sys.argv[1:], error.ctx
    if ctx is None:
        return printable(f"tradex {shlex.join(given)}", 500)
    start, names, above = 0, [ctx.info_name or ""], ctx.parent
    while above is not None and above.parent is not None:
        names.insert(0, above.info_name or "")
        above = above.parent
    for name in names:
        start = given.index(name, start) + 1
    words = given[start:]
    known, too_much, _ = ctx.command.make_parser(ctx).parse_args(list(words))
    for word in reversed(too_much):
        del words[len(words) - 1 - words[::-1].index(word)]
    # What was not given is None, or a mark of click's own.
    missing = [
        each
        for each in ctx.command.get_params(ctx)
        if each.required
        and not (isinstance(value := known.get(each.name or ""), str | list | tuple) and value)
    ]
    # After `--` an option is a word like any other.
    split = words.index("--") if "--" in words else len(words)
    told = [shlex.join(given[:start] + words[:split]), shlex.join(words[split:])]
    for each in missing:
        first = isinstance(each, click.Option) and split < len(words)
        told.insert(1 if first else len(told), _placeholder(each))
    example = " ".join(filter(None, told))
    return printable(f"tradex {example}".rstrip(), 500)


def _placeholder(param: click.Parameter) -> str:
    name = param.metavar or ""
    if not isinstance(param, click.Option):
        return name or param.human_readable_name.upper()
    return f"{param.opts[0]} " + ('"..."' if name in ("", "TEXT") else name)


def _refuse_foreign_console() -> None:
    """Another distribution on PyPI is called `console` and would replace ours in a shared environment."""
    import console

    ours = Path(__file__).resolve().parent.parent
    if Path(console.__file__ or "").resolve().parent != ours:
        sys.exit("tradex: another package named 'console' is installed here; use pipx or a fresh virtualenv")
