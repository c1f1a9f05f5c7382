"""What the stand-ins share: reading arguments as a real tool would, and saying things on the two streams."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

import httpx

_TIMEOUT_S = 30.0


class Flag(Enum):
    SWITCH = auto()
    VALUE = auto()
    """--name VALUE or --name=VALUE"""
    OPTIONAL = auto()
    """--name or --name=VALUE"""


class Stop(Exception):
    """The command ends with this on stderr, and `code`."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class UnknownFlag(Exception):
    """The argument as it was given, without its value."""


@dataclass(slots=True)
class Arguments:
    """`operands` in their order; `flags` with their value, a switch with ""."""

    operands: list[str] = field(default_factory=list)
    flags: dict[str, str] = field(default_factory=dict)

    def has(self, name: str) -> bool:
        return name in self.flags

    def get(self, name: str) -> str | None:
        return self.flags.get(name)


def parse(argv: Sequence[str], known: Mapping[str, Flag], short: Mapping[str, str]) -> Arguments:
    """Split arguments into operands and flags; raises UnknownFlag, and Stop for a value that is missing."""
    found, rest = Arguments(), list(argv)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            found.operands += rest
            break
        if not argument.startswith("-") or argument == "-":
            found.operands.append(argument)
            continue
        name, equals, value = argument.partition("=")
        name = short.get(name, name)
        if name not in known:
            raise UnknownFlag(argument.partition("=")[0])
        if known[name] is Flag.VALUE and not equals:
            if not rest:
                raise Stop(f"flag needs an argument: {name}")
            value = rest.pop(0)
        found.flags[name] = value
    return found


def out(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def err(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def client(base_url: str, token: str, agent: str) -> httpx.Client:
    """Straight to the simulated platform, whatever proxy the environment names."""
    return httpx.Client(
        base_url=base_url,
        headers={"Authorization": f"Bearer {token}", "User-Agent": agent},
        timeout=_TIMEOUT_S,
        trust_env=False,
    )
