"""How commands show tables, and the glyph and colour of each state on the command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from console.domain.text import printable
from widgets.glyphs import UNICODE

if TYPE_CHECKING:
    from rich.table import Table

    from widgets.states import State

CRITICAL_EXIT = 3
_FORMULA = ("=", "+", "-", "@")
STYLE = {
    "ok": "green",
    "healthy": "green",
    "degraded": "yellow",
    "warning": "yellow",
    "info": "cyan",
    "down": "bold red",
    "critical": "bold red",
    "unknown": "dim",
}
GLYPH = {
    "ok": "●",
    "healthy": "●",
    "degraded": "▲",
    "warning": "▲",
    "info": "◆",
    "down": "■",
    "critical": "■",
    "unknown": "?",
}

# What the colours of the screens' states are here.
_ROLES = {
    "ok": STYLE["ok"],
    "warn": STYLE["warning"],
    "crit": STYLE["critical"],
    "info": STYLE["info"],
    "accent": STYLE["info"],
    "pending": STYLE["warning"],
    "muted": "dim",
}


def glyph_of(state: State) -> str:
    """The symbol that the screens have for it."""
    return UNICODE[state.glyph]


def style_of(state: State) -> str:
    """Its colour, "" for one that is nothing in particular."""
    return _ROLES.get(state.role, "")


def table(*headers: str, right: set[str], wrap: tuple[str, ...] = ("note", "detail")) -> Table:
    """An empty table; the columns in `right` hold numbers, those in `wrap` may take more than one line."""
    from rich.table import Table

    rows = Table(box=None, pad_edge=False, header_style="dim")
    for header in headers:
        rows.add_column(header, justify="right" if header in right else "left", no_wrap=header not in wrap)
    return rows


def print_table(rows: Table, headline: str = "") -> None:
    """The headline and, where it has any row, the table; plain and wide where nobody watches."""
    from rich.console import Console
    from rich.text import Text

    out = Console(highlight=False, width=None if on_terminal() else 160)
    if headline:
        out.print(Text(headline))
    if rows.row_count:
        out.print(rows)


def csv_cell(text: str) -> str:
    """Printable, and nothing that a spreadsheet would take for a formula."""
    shown = printable(text, 100_000)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def on_terminal() -> bool:
    return sys.stdout.isatty()
