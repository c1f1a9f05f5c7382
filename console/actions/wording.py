"""Words that plans, proofs and journals share. Pure."""

from __future__ import annotations

import shlex
from datetime import datetime

from console.actions.kind import Request
from console.domain.action import KindSpec
from console.domain.errors import SourceFailed
from console.domain.text import printable
from console.gateway.reasons import NoSource

_ONE_WORD = {"length": "--for"}


def clock(at: datetime | None) -> str:
    """`26 Nov 13:06:50 UTC`; `further notice` for an end that is not known."""
    return "further notice" if at is None else f"{at:%d %b %H:%M:%S} UTC"


def no_source(error: SourceFailed) -> str:
    """`no source: connection refused`."""
    return str(error) if isinstance(error, NoSource) else f"no source: {error}"


def equal_command(spec: KindSpec, request: Request, target: str) -> str:
    """The command line that asks for the same. Parameters that are left to their default are left out."""
    words = ["tradex", *spec.command.split()]
    by_name = spec.command.startswith("actions start")
    if spec.target and not by_name:
        words.append(target)
    for parameter in spec.parameters:
        value = request.params.get(parameter.name, "")
        if by_name and parameter.name == spec.target:
            value = value or target
        elif parameter.name == spec.target:
            continue
        if value == "" or (value == parameter.default and not by_name):
            continue
        if by_name:
            words += ["--set", f"{parameter.name}={value}"]
        else:
            words += [_ONE_WORD.get(parameter.name, f"--{parameter.name}"), value]
    words += ["--reason", request.reason]
    return " ".join(shlex.quote(printable(word, 400)) for word in words)
