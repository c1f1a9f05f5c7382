"""What a source gave: columns of numbers and texts, or the reason why there are none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.domain.errors import SourceFailed
from console.domain.text import printable


@dataclass(frozen=True, slots=True)
class Answer:
    """`values` is whatever the source gives (a row's columns, a document ...), None with a `reason`.

    `absent`: there is no such source here, or it has nothing to say yet: nothing is broken.
    """

    at: datetime
    values: Any = None
    reason: str | None = None
    absent: bool = False


def number(value: object, what: str) -> float | None:
    """A finite number, None for null. SourceFailed that names `what` for everything else."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        try:
            # Decimal is what numeric columns come as.
            value = float(value) if type(value).__name__ == "Decimal" else None  # type: ignore[arg-type]
        except (ValueError, OverflowError):
            value = None
        if value is None:
            raise SourceFailed(f"{what} is no number")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise SourceFailed(f"{what} is {'not a number (NaN)' if math.isnan(found) else 'infinite'}")
    return found


def pointer(document: Any, path: str) -> Any:
    """What a JSON pointer (RFC 6901) leads to. SourceFailed when it leads nowhere."""
    place = document
    for raw in path.split("/")[1:]:
        key = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(place, Mapping) and key in place:
            place = place[key]
        elif isinstance(place, list) and key.isascii() and key.isdigit() and int(key) < len(place):
            place = place[int(key)]
        else:
            raise SourceFailed(f"nothing at {printable(path, 80)} of the answer")
    return place
