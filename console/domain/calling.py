"""Whom a note calls by `@name`: their consoles ring."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NAME = re.compile(r"(?<![^\W_])@([\w.-]*\w)")


def called(text: str) -> list[str]:
    """The names that stand behind an `@`, each once, in their order; an address of mail calls nobody."""
    return list(dict.fromkeys(match[1] for match in _NAME.finditer(text)))


def unknown(text: str, people: Sequence[str]) -> list[str]:
    """Those that `text` calls and that are none of these logins, in whatever case."""
    known = {person.casefold() for person in people}
    return [name for name in called(text) if name.casefold() not in known]
