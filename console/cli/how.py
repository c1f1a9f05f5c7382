"""How a person wants an action done: the options that all commands share which ask for one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import click

from console.cli import prompt
from console.domain.errors import Misuse


def _said(_: click.Context, option: click.Parameter, text: str) -> str:
    """Raises Misuse for a reason that says nothing."""
    if not text.strip():
        raise Misuse(f"{option.opts[0]}: expected why, not {text!r}")
    return text


reason = click.option(
    "--reason", required=True, metavar="TEXT", callback=_said, help="Why; it stays in the audit."
)


@dataclass(frozen=True, slots=True)
class How:
    """How a person wants it: what they answer beforehand, and what is printed."""

    dry_run: bool = False
    yes: bool = False
    wait: bool = True
    as_json: bool = False
    typed: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    override: str = ""

    def say(self, text: str, *, end: str = "\n") -> None:
        """For a person; with --json standard output is left to the one object at the end."""
        click.echo(f"{text}{end}", nl=False, err=self.as_json)

    def check(self) -> None:
        """Raises Misuse where nobody could answer."""
        if not (self.yes or self.dry_run or prompt.possible()):
            raise Misuse(
                "nobody can be asked here: --yes confirms the plan as it comes, --dry-run only shows it"
            )


def answers(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options with which a plan is answered beforehand; the command gets them as `how`."""

    @click.option(
        "--dry-run", is_flag=True, help="Show the plan and leave it; exit code 4 where a guard fails."
    )
    @click.option(
        "--yes",
        "-y",
        is_flag=True,
        help="Confirm the plan without asking; exit code 1 while it waits for a second person, and where the "
        "platform shows that it is worse afterwards.",
    )
    @click.option(
        "--typed", metavar="TEXT", default="", help="With --yes: what a dangerous plan asks to type."
    )
    @click.option(
        "--choose", "chosen", multiple=True, metavar="NAME=WORD", help="Answer a choice of the plan."
    )
    @click.option("--override", metavar="REASON", default="", help="Past a freeze or a budget (commanders).")
    @click.option("--no-wait", is_flag=True, help="Leave once it is confirmed.")
    @click.option("--json", "as_json", is_flag=True, help="One object at the end.")
    @wraps(command)
    def with_answers(*args: Any, **options: Any) -> Any:
        how = How(
            dry_run=options.pop("dry_run"),
            yes=options.pop("yes"),
            wait=not options.pop("no_wait"),
            as_json=options.pop("as_json"),
            typed=options.pop("typed"),
            choices=pairs("--choose", options.pop("chosen")),
            override=options.pop("override"),
        )
        return command(*args, how=how, **options)

    return with_answers


def pairs(option: str, given: tuple[str, ...]) -> dict[str, str]:
    """`NAME=VALUE`s as a dictionary. Raises Misuse."""
    found: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name.strip():
            raise Misuse(f"{option} {each!r}: expected NAME=VALUE")
        found[name.strip()] = value
    return found
