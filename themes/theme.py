"""The palettes as Textual themes: each role becomes a variable `$ROLE` of console.tcss."""

from pathlib import Path

from textual.theme import Theme

from themes.palette import PALETTES, Palette

STYLESHEET = Path(__file__).with_name("console.tcss")
THEMES = tuple(PALETTES)


def textual_theme(palette: Palette) -> Theme:
    """The Textual theme of one palette. Roles are also mapped to Textual's own names (palette, inputs)."""

    def color(role: str) -> str:
        name = palette[role]
        return f"ansi_{name}" if palette.ansi else name

    roles = {f"tx-{role}": color(role) for role in palette.colors}
    return Theme(
        name=palette.name,
        primary=color("accent"),
        secondary=color("info"),
        warning=color("warn"),
        error=color("crit"),
        success=color("ok"),
        accent=color("accent"),
        foreground=color("text"),
        background=color("surface"),
        surface=color("surface"),
        panel=color("panel"),
        dark=palette.dark,
        ansi=palette.ansi,
        variables={
            **roles,
            **({"ansi-background": "ansi_black", "ansi-foreground": "ansi_white"} if palette.ansi else {}),
            "border": color("border"),
            "border-blurred": color("border"),
            "block-cursor-background": color("raised"),
            "block-cursor-foreground": color("strong"),
            "block-cursor-text-style": "bold",
            "input-cursor-background": color("accent"),
            "input-cursor-foreground": color("chip"),
            "input-selection-background": color("raised"),
            "scrollbar": color("border"),
            "scrollbar-background": color("surface"),
            "footer-background": color("panel"),
            "footer-key-foreground": color("accent"),
        },
    )


def textual_themes() -> list[Theme]:
    return [textual_theme(palette) for palette in PALETTES.values()]
