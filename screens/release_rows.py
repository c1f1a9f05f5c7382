"""Rows of screen 7: the commits that are not live yet, and the releases. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from console.domain import format as fmt
from console.domain.release import Commit, Release, ReleaseState
from screens.alert_rows import moment
from widgets.cells import Cells, cells, piece
from widgets.live_table import Column, Entry, Row
from widgets.look import Look

CANDIDATES = (Column("", 9), Column("", None), Column("", 2), Column("", 7), Column("", 4, right=True))
_RELEASES = (Column("", 1), Column("version", 10), Column("state", 11), Column("how it went", None),
             Column("when", 6), Column("by", 8))  # fmt: skip
_RELEASES_NARROW = (
    Column("", 1), Column("version", 9), Column("state", 11), Column("how it went", None),
)  # fmt: skip
_STATES = {
    ReleaseState.LIVE: ("ok", "ok"),
    ReleaseState.GOOD: ("done", "muted"),
    ReleaseState.ROLLED_BACK: ("warn", "warn"),
    ReleaseState.FAILED: ("failed", "crit"),
}


def candidate_entries(found: Iterable[Commit], look: Look, now: datetime) -> list[Entry]:
    """`M` says that it has migrations, `f` that it touches functions."""
    return [_candidate_row(commit, look, now) for commit in found]


def _candidate_row(commit: Commit, look: Look, now: datetime) -> Row:
    touched: Cells = (
        piece("M" if commit.migrations else " ", look("warn")),
        piece("f" if commit.functions else " ", look("info")),
    )
    return Row(
        commit.sha,
        (
            cells(commit.name, look("strong", bold=bool(commit.version))),
            cells(commit.subject, look("text")),
            touched,
            cells(next(iter(commit.author.split()), ""), look("muted")),
            cells(fmt.age(now - commit.at), look("muted")),
        ),
    )


def release_entries(
    releases: Iterable[Release], look: Look, now: datetime, *, narrow: bool
) -> tuple[Sequence[Column], list[Entry]]:
    """Columns and rows; `narrow` leaves out when it was and who did it."""
    entries: list[Entry] = []
    for release in releases:
        glyph, role = _STATES[release.state]
        row: list[Cells] = [
            cells(look.glyphs[glyph], look(role)),
            cells(release.version, look("strong", bold=release.state is ReleaseState.LIVE)),
            cells(str(release.state), look(role)),
            cells(release.words, look("muted")),
        ]
        if not narrow:
            row += [cells(moment(release.at, now), look("muted")), cells(release.by, look("muted"))]
        entries.append(Row(str(release.id), tuple(row)))
    return _RELEASES_NARROW if narrow else _RELEASES, entries
