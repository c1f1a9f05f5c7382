"""The checklist before a deployment in squares, in counts and in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from console.domain import format as fmt
from console.domain.check import CheckResult, CheckRun, CheckStatus
from console.domain.release import Commit
from screens.paragraphs import Line
from widgets.cells import EMPTY, Cells, cells, fit, join, measure, piece, space
from widgets.live_table import Column, Entry, Group, Note, Row
from widgets.look import Look

GROUPS = {
    "database": ("database", 5),
    "functions": ("edge functions", 5),
    "frontend": ("frontend", 5),
    "security": ("security", 5),
    "monitoring": ("monitoring", 5),
}
"""By name, what it is called and how many checks it has."""
TOTAL = sum(size for _, size in GROUPS.values())
_LABEL = 16
_STATUS = {
    CheckStatus.PASSED: ("square", "ok"),
    CheckStatus.MANUAL: ("to-do", "pending"),
    CheckStatus.WARNING: ("warn", "warn"),
    CheckStatus.FAILED: ("failed", "crit"),
}
CHECK_COLUMNS = (Column("", 1), Column("check", 32), Column("", 8), Column("evidence", None))
CHECK_COLUMNS_NARROW = (Column("", 1), Column("check", 24), Column("", 8), Column("evidence", None))


def release_of(run: CheckRun) -> str:
    """What it is about: `v2.11.0`, or the first characters of a commit; "" for what runs."""
    return run.version or Commit(run.commit, run.asked_at, "", "").name


def is_ready(run: CheckRun) -> bool:
    """Whether nothing stands against a deployment: it was looked at whole, nothing failed, and no person is waited
    for."""
    report = run.report
    waits = report.count(CheckStatus.FAILED) + report.count(CheckStatus.MANUAL)
    return run.ended_at is not None and bool(run.results) and not waits and not run.words


def state_line(run: CheckRun, look: Look, width: int) -> Line:
    """`22 of 25  1 by hand  2 warnings`, and whether that is enough; with signs where the words have no room in
    `width`."""
    report, total = run.report, max(run.total, len(run.results))
    state = _state(run, look)
    passed = cells(f"{report.count(CheckStatus.PASSED)} of {total or TOTAL}", look("strong", bold=True))
    words: list[Cells] = [passed]
    signs: list[Cells] = [passed]
    for status, word in (
        (CheckStatus.FAILED, "failed"),
        (CheckStatus.MANUAL, "by hand"),
        (CheckStatus.WARNING, "warning"),
    ):
        if count := report.count(status):
            glyph, role = _STATUS[status]
            plural = "s" if count > 1 and status is CheckStatus.WARNING else ""
            words.append(cells(f"{count} {word}{plural}", look(role)))
            signs.append(cells(f"{look.glyphs[glyph]} {count}", look(role)))
    # What is worst stays.
    wished = [
        join(parts, space(2)) for parts in (words, *(signs[:last] for last in range(len(signs), 1, -1)))
    ]
    fits = (line for line in wished if measure(line) + 1 + measure(state) <= width)
    return next(fits, passed), state


def _state(run: CheckRun, look: Look) -> Cells:
    if run.words:
        return cells("not run", look("warn"))
    if run.ended_at is None:
        word = "running" if run.started_at is not None else "asked for"
        return piece(f"{look.glyphs['running']} ", look("accent")), piece(word, look("accent"))
    if is_ready(run):
        return cells("ready", look("ok"))
    return cells("not ready", look("crit" if run.report.count(CheckStatus.FAILED) else "warn", bold=True))


def group_lines(run: CheckRun, look: Look, *, gaps: bool) -> list[Line]:
    """`database   ■ ■ ■ ■ ■   5/5`; what is still to be checked is an empty circle."""
    known: dict[str, list[CheckResult]] = {name: [] for name in GROUPS} if run.total in (0, TOTAL) else {}
    for result in run.results:
        known.setdefault(result.group, []).append(result)
    lines: list[Line] = []
    for name, results in known.items():
        title, size = GROUPS.get(name, (name, 0))
        size = max(size if run.total in (0, TOTAL) else 0, len(results))
        signs = [piece(look.glyphs[g], look(r)) for g, r in (_STATUS[each.status] for each in results)]
        signs += [piece(look.glyphs["to-do"], look("faint"))] * (size - len(results))
        passed = sum(each.status is CheckStatus.PASSED for each in results)
        worst = max((each.status for each in results), key=lambda s: s.rank, default=CheckStatus.PASSED)
        bad = worst in (CheckStatus.WARNING, CheckStatus.FAILED)
        count = piece(f"{passed}/{size}", look(_STATUS[worst][1] if bad else "muted", bold=bad))
        label = fit(cells(title, look("text")), _LABEL, piece(look.glyphs["ellipsis"], look("faint")))
        lines.append(
            ((*label, piece(" "), *join([(s,) for s in signs], space(1) if gaps else EMPTY)), (count,))
        )
    return lines


def open_results(run: CheckRun) -> list[CheckResult]:
    """What did not pass, the worst first."""
    return sorted(
        (r for r in run.results if r.status is not CheckStatus.PASSED), key=lambda r: -_ORDER[r.status]
    )


_ORDER = {CheckStatus.PASSED: 0, CheckStatus.WARNING: 1, CheckStatus.MANUAL: 2, CheckStatus.FAILED: 3}


def open_lines(run: CheckRun, look: Look, room: int) -> list[Line]:
    """The first of them in words: in two lines each where all have the room, else in one."""
    found, lines = open_results(run), list[Line]()
    tall = len(found) * 2 <= room
    shown = found if len(found) <= room else found[: max(room - 1, min(room, 1))]
    for result in shown:
        glyph, role = _STATUS[result.status]
        loud = role if result.status is CheckStatus.FAILED else "text"
        title = piece(f"{look.glyphs[glyph]} ", look(role)), piece(result.title, look(loud))
        evidence = piece(f"  {result.evidence}", look("muted"))
        lines += [(title, EMPTY), ((evidence,), EMPTY)] if tall else [((*title, evidence), EMPTY)]
    if len(shown) < len(found) and room > len(shown):
        lines.append((cells(f"  {len(found) - len(shown)} more: c shows all", look("muted")), EMPTY))
    return lines


def checklist_lines(
    run: CheckRun | None, look: Look, width: int, room: int, *, why_not: str = ""
) -> list[Line]:
    """The whole panel in at most `room` lines of `width` cells; where it is wide the words stand beside the squares."""
    if run is None:
        return [(cells(why_not or "nothing was checked yet: c has it checked", look("muted")), EMPTY)]
    gaps = width >= 34
    groups = group_lines(run, look, gaps=gaps)
    if width >= _WIDE:
        return _side_by_side(
            [*groups, state_line(run, look, _BESIDE)], open_lines(run, look, room), look, width
        )
    lines = list(groups)
    if len(lines) + 2 <= room:
        lines.append((cells(look.glyphs["rule"] * width, look("grid")), EMPTY))
    lines.append(state_line(run, look, width))
    if run.words:
        lines.append((cells(run.words, look("warn")), EMPTY))
    return [*lines, *open_lines(run, look, room - len(lines))][:room]


_BESIDE, _WIDE = 40, 76


def _side_by_side(left: Sequence[Line], right: Sequence[Line], look: Look, width: int) -> list[Line]:
    lines: list[Line] = []
    more = piece(look.glyphs["ellipsis"], look("faint"))
    for i in range(max(len(left), len(right))):
        one, two = (
            left[i] if i < len(left) else (EMPTY, EMPTY),
            right[i] if i < len(right) else (EMPTY, EMPTY),
        )
        ends = fit(one[1], 10, more, right=True)
        first = [*fit(one[0], _BESIDE - 10, more), *ends]
        lines.append(((*first, piece(f" {look.glyphs['separator']} ", look("grid")), *two[0]), EMPTY))
    return lines


def about(run: CheckRun | None, now: datetime) -> str:
    """`v2.11.0, 4m ago`."""
    if run is None:
        return ""
    since = run.ended_at or run.started_at or run.asked_at
    when = f"{fmt.age(now - since)} ago" if run.ended_at is not None else ""
    return ", ".join(filter(None, (release_of(run), when)))


def check_entries(run: CheckRun | None, look: Look, *, headings: bool) -> list[Entry]:
    """Every check, with `headings` under its group; what is still to come is counted."""
    entries: list[Entry] = []
    if run is None:
        return entries
    group = ""
    for result in run.results:
        if headings and result.group != group:
            group = result.group
            entries.append(Group(GROUPS.get(group, (group, 0))[0]))
        entries.append(_check_row(result, look))
    if run.ended_at is None and (rest := run.total - len(run.results)) > 0:
        entries.append(Note(cells(f"{fmt.counted(rest, 'check')} to come", look("muted"))))
    return entries


def _check_row(result: CheckResult, look: Look) -> Row:
    glyph, role = _STATUS[result.status]
    good = result.status is CheckStatus.PASSED
    word = "by hand" if result.status is CheckStatus.MANUAL else str(result.status)
    return Row(
        result.id,
        (
            cells(look.glyphs[glyph], look(role)),
            cells(result.title, look("text" if good else "strong")),
            cells(word, look("muted" if good else role)),
            cells(result.evidence, look("muted" if good else "text")),
        ),
    )
