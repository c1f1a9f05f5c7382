"""Every symbol the console draws, by role, in Unicode and in ASCII (LOOK section 6).

Widgets ask for a role (`glyphs["crit"]`), never write a symbol of their own, so that a terminal without
Unicode shows the same facts. No glyph is double-width or has an emoji form.
"""

import locale
import os
from collections.abc import Mapping
from dataclasses import dataclass

# role: (unicode, ascii); each is one cell wide
_TABLE: dict[str, tuple[str, str]] = {
    "ok": ("●", "o"),
    "warn": ("▲", "!"),
    "crit": ("■", "X"),
    "info": ("◆", "i"),
    "stale": ("◇", "~"),
    "unknown": ("?", "?"),
    "firing": ("!", "*"),
    "acked": ("◉", "@"),
    "pending": ("◔", "?"),
    "silenced": ("◌", "z"),
    "running": ("►", ">"),
    "done": ("✓", "x"),
    "failed": ("✗", "X"),
    "to-do": ("○", "-"),
    "square": ("■", "o"),
    "blocked": ("◈", "*"),
    "cursor": ("▌", ">"),
    "button": ("▸", ">"),
    "bar": ("━", "="),
    "bar-half": ("╸", "-"),
    "bar-rest": ("─", "."),
    "rule": ("─", "-"),
    "limit": ("╌", "-"),
    "marker": ("┊", "|"),
    "separator": ("│", "|"),
    "dot": ("·", "."),
    "ellipsis": ("…", "~"),
    "series": ("━", "="),
    "full": ("█", "="),
    "then": ("→", ">"),
    "none": ("–", "-"),
}

# Keys as the footer and the help show them: (unicode, ascii)
_KEYS: dict[str, tuple[str, str]] = {
    "↑↓": ("↑↓", "j/k"),
    "arrows": ("↑↓", "arrows"),
    "⏎": ("⏎", "Enter"),
    "↑": ("↑", "up"),
    "↓": ("↓", "down"),
}

_BLOCKS = ("▁▂▃▄▅▆▇", "_.,-=+*")


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One column of the table. `braille`: areas and plots may use braille cells; `blocks` rise from low to high."""

    name: str
    table: Mapping[str, str]
    keys: Mapping[str, str]
    blocks: str
    braille: bool

    def __getitem__(self, role: str) -> str:
        return self.table[role]


def _column(index: int) -> Glyphs:
    return Glyphs(
        name=("unicode", "ascii")[index],
        table={role: row[index] for role, row in _TABLE.items()},
        keys={key: row[index] for key, row in _KEYS.items()},
        blocks=_BLOCKS[index],
        braille=index == 0,
    )


UNICODE = _column(0)
ASCII = _column(1)


def wants_ascii(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the terminal should get ASCII only: TRADEX_ASCII=1, or a locale that is not UTF-8."""
    chosen = environ.get("TRADEX_ASCII", "")
    if chosen:
        return chosen not in ("0", "false", "no")
    named = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    # A locale without an encoding in its name (C, POSIX) is ASCII; without any name Python's choice counts.
    encoding = named.partition(".")[2] if named else locale.getpreferredencoding(False)
    return encoding.partition("@")[0].lower().replace("-", "") != "utf8"
