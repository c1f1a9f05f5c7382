"""What goes with a request for an action: its parameters, made complete, and what it is about.

Whoever asks, a screen, a command or a runbook step, comes here, so that the same wish gives the same request.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from contextlib import suppress

from console.domain.action import Action, ActionState, KindSpec, Parameter, worded
from console.domain.duration import ANY_LENGTH, EXPECTED
from console.domain.duration import parse as parse_duration
from console.domain.errors import Misuse, Refused
from console.domain.network import network_of, written
from console.domain.text import printable

_FLAGS: Mapping[str, bool] = {
    "on": True,
    "yes": True,
    "true": True,
    "off": False,
    "no": False,
    "false": False,
}


def parameters(kind: KindSpec, given: Mapping[str, str]) -> dict[str, str]:
    """All that are set, those that were left out with their default. Whether each makes sense is the plan's matter.

    Raises Misuse for one that the kind hasn't got, and for one that is missing.
    """
    known = {p.name: p for p in kind.parameters}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1) or list(known)
            raise Misuse(
                f"{worded(kind.name)} has no parameter {name!r}: "
                + (f"it has {', '.join(near)}" if near else "it has none")
            )
    found = {name: _written(p, given.get(name, "").strip() or p.default) for name, p in known.items()}
    missing = [name for name, p in known.items() if p.required and not found[name]]
    if missing:
        raise Misuse(f"{worded(kind.name)} takes {' and '.join(missing)}")
    return {name: value for name, value in found.items() if value}


def target(kind: KindSpec, params: Mapping[str, str]) -> str:
    """What such an action is about; "" for a kind that is about nothing in particular."""
    return params.get(kind.target, "") if kind.target else ""


def undoing(action: Action, kinds: Mapping[str, KindSpec]) -> tuple[KindSpec, dict[str, str]]:
    """The kind that takes this action back, with its parameters. Raises Refused where there is nothing to take back."""
    spec = kinds.get(action.kind)
    undo = kinds.get(spec.undo) if spec is not None and spec.undo else None
    if action.undone_by is not None:
        raise Refused(f"action {action.id} was undone by action {action.undone_by}")
    if not action.state.final:
        raise Refused(f"action {action.id} is {action.state}: cancel it instead")
    if action.started_at is None:
        raise Refused(f"action {action.id} is {action.state} and changed nothing")
    if spec is not None and spec.goes_back and action.state is not ActionState.DONE:
        raise Refused(f"action {action.id} is {action.state}, and took back itself what it had done")
    if spec is None or undo is None:
        raise Refused(f"{worded(action.kind)} can't be taken back by another action")
    return undo, taking_back(action, spec, undo)


def taking_back(action: Action, spec: KindSpec, undo: KindSpec) -> dict[str, str]:
    """The parameters with which `undo` takes back this action of the kind `spec`. Raises Misuse for one that it needs
    and the action hasn't got."""
    same = {p.name: action.params[p.name] for p in undo.parameters if p.name in action.params}
    pins = {} if action.plan is None else action.plan.pins
    same |= {p.name: pins[f"undo:{p.name}"] for p in undo.parameters if f"undo:{p.name}" in pins}
    if (
        undo.target
        and f"undo:{undo.target}" not in pins
        and (undo.target == spec.target or undo.target not in same)
    ):
        # As its plan wrote it, which may be another spelling than it was asked for with.
        same[undo.target] = action.target
    return parameters(undo, same)


def value_of(parameter: Parameter, given: str) -> str | int | bool:
    """What is given, as the parameter's type wants it. Raises Misuse for what is malformed; whether the rest makes
    sense is the plan's matter."""
    match parameter.type:
        case "integer":
            if re.fullmatch(r"-?[0-9]{1,17}", given):
                return int(given)
            expected = "a whole number"
        case "flag":
            if given.casefold() in _FLAGS:
                return _FLAGS[given.casefold()]
            expected = "on or off"
        case "choice" if given not in parameter.choices:
            expected = f"one of {', '.join(parameter.choices)}"
        case "duration" if parse_duration(given, longest=ANY_LENGTH) is None:
            expected = EXPECTED
        case "network":
            try:
                return written(network_of(given))
            except Refused as error:
                raise Misuse(str(error)) from None
        case _:
            return printable(given, 500)
    raise Misuse(f"{parameter.name}: expected {expected}, not {printable(given, 40)!r}")


def _written(parameter: Parameter, value: str) -> str:
    """One way to write each network. What is none is left to the plan's guards."""
    if parameter.type == "network":
        with suppress(Refused):
            return written(network_of(value))
    return value
