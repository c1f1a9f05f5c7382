"""The colours of every role, in one table; nothing else in the project names a colour.

A role is what a colour *means* (`crit`, `faint`, `s2`), so that a theme is only another column. The last
column is for terminals with 16 colours: chosen by meaning, never by the nearest RGB.
"""

from collections.abc import Mapping
from dataclasses import dataclass

# role: (dark, light, high contrast, 16 colours)
_TABLE: dict[str, tuple[str, str, str, str]] = {
    "surface": ("#0f1319", "#f7f8fa", "#000000", "black"),
    "panel": ("#161c25", "#e9edf2", "#101010", "black"),
    "raised": ("#222c3a", "#d5e3f3", "#1f3a5f", "blue"),
    "border": ("#34404f", "#b4bfcc", "#9aa7b5", "bright_black"),
    "grid": ("#27313e", "#dde3ea", "#5a6673", "bright_black"),
    "text": ("#d6dee9", "#222b36", "#ffffff", "white"),
    "strong": ("#f3f7fc", "#0b1118", "#ffffff", "bright_white"),
    "muted": ("#8d9aab", "#566270", "#d5dbe2", "white"),
    "faint": ("#728093", "#687483", "#b8c2cd", "bright_black"),
    "accent": ("#62b0ff", "#0a63bd", "#5fd7ff", "bright_cyan"),
    "accentlo": ("#24507c", "#a9cbee", "#1f7aa8", "cyan"),
    "ok": ("#7fcf93", "#1b7a3e", "#5fff87", "green"),
    "oklo": ("#3d6b4b", "#a5d3b4", "#2f9e50", "green"),
    "warn": ("#f2a54a", "#a35a00", "#ffd75f", "bright_yellow"),
    "warnlo": ("#7a5428", "#e8c391", "#a8842f", "yellow"),
    "crit": ("#ff6470", "#c4202f", "#ff8791", "bright_red"),
    "critlo": ("#7e343e", "#efb0b5", "#b23a46", "red"),
    "info": ("#6fcbd6", "#0b7285", "#87ffff", "cyan"),
    "ack": ("#b99cf5", "#6b3fc4", "#d7afff", "bright_magenta"),
    "pending": ("#e3d07a", "#7a6500", "#ffff87", "yellow"),
    "stale": ("#a08f78", "#80705a", "#d7c3a5", "bright_black"),
    "s1": ("#4d7ba8", "#6f9ccb", "#7fa8d6", "blue"),
    "s2": ("#62b0ff", "#0a63bd", "#5fd7ff", "bright_cyan"),
    "s3": ("#dfe8f4", "#222b36", "#ffffff", "bright_white"),
    "chip": ("#0f1319", "#ffffff", "#000000", "black"),
    "production": ("#e06ba8", "#b02a74", "#ff87d7", "magenta"),
    "staging": ("#e3d07a", "#8a6d00", "#ffff87", "yellow"),
    "sandbox": ("#6fcbd6", "#0b7285", "#87ffff", "cyan"),
}

ROLES = frozenset(_TABLE)


@dataclass(frozen=True, slots=True)
class Palette:
    """One column of the table. `ansi`: the colours are names of the terminal's own 16, not RGB."""

    name: str
    title: str
    dark: bool
    ansi: bool
    colors: Mapping[str, str]

    def __getitem__(self, role: str) -> str:
        return self.colors[role]


def _column(index: int) -> dict[str, str]:
    return {role: row[index] for role, row in _TABLE.items()}


DARK = Palette("dark", "Dark", True, False, _column(0))
LIGHT = Palette("light", "Light", False, False, _column(1))
HIGH_CONTRAST = Palette("high-contrast", "High contrast", True, False, _column(2))
ANSI = Palette("16-colours", "16 colours", True, True, _column(3))

PALETTES: dict[str, Palette] = {p.name: p for p in (DARK, LIGHT, HIGH_CONTRAST, ANSI)}


def environment_role(environment: str) -> str:
    """Which role colours an environment's chip: its own, or `info` for a name we don't know."""
    name = environment.lower()
    return name if name in ("production", "staging", "sandbox") else "info"
