"""Where the value of a setting is from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from console.places import PREFIX

Layers = list[tuple[str, dict[str, Any]]]
"""What was set, by where: `file`, `variable` or `flag`, the lowest first."""


def origin(loc: tuple[str, ...], layers: Layers, path: Path, text: str, env: str) -> str:
    """The uppermost layer that has this setting: `FILE:LINE` of `text`, its variable, its flag, or `default`."""
    for kind, layer in reversed(layers):
        place: Any = layer
        for part in loc:
            if not isinstance(place, dict) or part not in place:
                break
            place = place[part]
        else:
            if kind == "flag":
                return f"flag for {'.'.join(loc)}"
            if kind == "variable":
                return variable(".".join(loc))
            return f"{path}:{_line(text, loc, env)}" if text else "--env"
    return "default"


def _line(text: str, loc: tuple[str, ...], env: str) -> int:
    """The line of a key in the file, in its environment's table before the one at the top; 1 if not found."""
    found: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line)
        key = re.match(r"""\s*([\w.\-"']+)\s*=""", line)
        if header:
            table = tuple(p.strip().strip("\"'") for p in header.group(1).split("."))
            found.setdefault(table, number)
        elif key:
            found.setdefault((*table, *(p.strip("\"'") for p in key.group(1).split("."))), number)
    for place in ((("environments", env), loc), ((), loc)):
        for cut in range(len(loc), 0, -1):
            number = found.get((*place[0], *loc[:cut]))
            if number is not None:
                return number
    return 1


def variable(dotted: str) -> str:
    """`TRADEX_STORE__URL` for `store.url`."""
    return PREFIX + dotted.upper().replace(".", "__")
