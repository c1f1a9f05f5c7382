"""Runbooks in rows and in whole: symptoms with the alerts that show them now, steps by part, the ladder. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.segment import Segment

from console.domain import format as fmt
from console.domain.alert import Alert, AlertState, Phase
from console.domain.book import PARTS, Runbook, Rung, Step, Symptom
from console.domain.snapshot import Snapshot
from screens.duty_rows import by_itself, tools
from widgets.cells import EMPTY, Cells, cells, cut, measure, piece, space
from widgets.live_table import Column, Entry, Row
from widgets.look import Look
from widgets.markdown_panel import markdown_lines
from widgets.states import alert_state
from widgets.text_panel import wrapped

BOOK_COLUMNS = (
    Column("", 1),
    Column("runbook", None),
    Column("steps", 5, right=True),
    Column("shown by", 9, right=True),
)
_TITLES = {"immediate": "Immediate", "investigation": "Investigation", "resolution": "Resolution"}
_WIDEST = 110
"""Longer lines are hard to read."""
_QUIET = (AlertState.SILENCED, AlertState.INHIBITED)


def open_alerts(alerts: Iterable[Alert]) -> list[Alert]:
    """Those that show something now: they fire, or somebody is on them."""
    return [a for a in alerts if a.phase is not Phase.RESOLVED and a.fired_at is not None]


def showing(book: Runbook, alerts: Iterable[Alert]) -> list[Alert]:
    """The alerts that are symptoms of what this book is about, as they come."""
    names = (book.name, *book.aliases)
    return [a for a in open_alerts(alerts) if a.runbook in names or book.shows(a.rule, a.metric)]


def of_symptom(symptom: Symptom, alerts: Iterable[Alert]) -> list[Alert]:
    """The alerts that show this one."""
    return [a for a in open_alerts(alerts) if a.rule in symptom.rules or (a.metric or "") in symptom.metrics]


def found(books: Sequence[Runbook], words: str) -> list[Runbook]:
    """The books in which each of these words stands somewhere."""
    wanted = words.casefold().split()
    return [book for book in books if all(word in _text(book) for word in wanted)]


def _text(book: Runbook) -> str:
    parts = [book.name, book.title, book.summary, *book.aliases]
    for symptom in book.symptoms:
        parts += [symptom.text, *symptom.rules, *symptom.metrics]
    for step in book.steps:
        parts += [step.text, step.detail, tools(step)]
    parts += [rung.who for rung in book.ladder]
    return "\n".join(parts).casefold()


def book_entries(books: Sequence[Runbook], snapshot: Snapshot, look: Look) -> list[Entry]:
    """Every book, and whether something calls for it now."""
    return [_book_row(book, snapshot, look) for book in books]


def _book_row(book: Runbook, snapshot: Snapshot, look: Look) -> Row:
    shown = [a for a in showing(book, snapshot.alerts) if a.state not in _QUIET]
    sign, words = EMPTY, EMPTY
    if shown:
        state = alert_state(shown[0])
        sign = cells(look.glyphs[state.glyph], look(state.role))
        words = cells(fmt.counted(len(shown), "alert"), look(state.role))
    title = cells(book.title, look("strong" if shown else "text", bold=bool(shown)))
    return Row(book.name, (sign, title, cells(f"{len(book.steps)}", look("muted")), words))


def book_lines(book: Runbook, snapshot: Snapshot, look: Look, width: int) -> list[Cells]:
    """The whole book in lines of at most `width` cells."""
    width = min(width, _WIDEST)
    lines: list[Cells] = []
    if book.summary:
        lines += [*markdown_lines(book.summary, width, look), EMPTY]
    if book.symptoms:
        lines.append(_heading("Symptoms", look, width))
        for symptom in book.symptoms:
            lines += _symptom(symptom, snapshot, look, width)
        lines.append(EMPTY)
    number = 0
    for part in (*PARTS, ""):
        steps = [step for step in book.steps if step.part == part]
        if steps:
            lines.append(_heading(_TITLES.get(part, "Steps"), look, width))
        for step in steps:
            number += 1
            lines += _step(number, step, snapshot, look, width)
        if steps:
            lines.append(EMPTY)
    if book.ladder:
        lines.append(_heading("Escalation", look, width))
        lines += [_rung(rung, look) for rung in book.ladder]
        lines.append(EMPTY)
    if book.place:
        words = f"written in {book.place}, level {book.level} when a rule opens it"
        lines += [cells(line, look("faint")) for line in wrapped(words, width)]
    more = piece(look.glyphs["ellipsis"], look("faint"))
    return [cut(line, width, more) for line in lines]


def _heading(words: str, look: Look, width: int) -> Cells:
    title = piece(f"{words} ", look("strong", bold=True))
    return title, piece(look.glyphs["rule"] * max(width - len(words) - 1, 0), look("grid"))


def _hanging(sign: Cells, text: str, look: Look, width: int, role: str) -> list[Cells]:
    """`text` behind a sign, its other lines below its first one."""
    size = measure(sign)
    lines = wrapped(text, max(width - size, 8)) or [""]
    return [(*(space(size) if i else sign), piece(line, look(role))) for i, line in enumerate(lines)]


def _symptom(symptom: Symptom, snapshot: Snapshot, look: Look, width: int) -> list[Cells]:
    shown = of_symptom(symptom, snapshot.alerts)
    loud = [alert_state(a) for a in shown if a.state not in _QUIET]
    glyph, role = (loud[0].glyph, loud[0].role) if loud else ("to-do", "muted")
    sign = cells(f" {look.glyphs[glyph]} ", look(role))
    lines = _hanging(sign, symptom.text, look, width, "strong" if loud else "text")
    for alert in shown:
        state = alert_state(alert)
        age = fmt.age(snapshot.at - (alert.fired_at or alert.at))
        lines.append(
            (
                *space(3),
                piece(f"{look.glyphs[state.glyph]} ", look(state.role)),
                piece(alert.rule, look("text")),
                piece(f"  {state.word} {age}", look(state.role)),
            )
        )
    if not shown:
        names = ", ".join((*symptom.rules, *symptom.metrics))
        words = f"quiet now: {names}" if names else "no rule shows it: look for yourself"
        lines += _hanging(space(3), words, look, width, "faint")
    return lines


def _step(number: int, step: Step, snapshot: Snapshot, look: Look, width: int) -> list[Cells]:
    sign = (piece("[ ] ", look("muted")), piece(f"{number:>2} ", look("faint")))
    lines = _hanging(sign, step.text, look, width, "text")
    indent = space(measure(sign))
    if step.detail:
        inner = markdown_lines(step.detail, max(width - measure(indent), 12), look)
        lines += [(*indent, *_muted(line, look)) for line in inner]
    if words := tools(step):
        value: list[Segment] = []
        if step.metric and (known := snapshot.metrics.values.get(step.metric)) is not None:
            now = fmt.reading(snapshot.metrics.specs.get(step.metric), known.value)
            value = [piece(f"  {now} now", look("strong"))]
        sign = (*indent, piece(f"{look.glyphs['button']} ", look("accent")))
        # A long list of parameters has lines of its own, too.
        lines += [(*line, *value) if not i else line
                  for i, line in enumerate(_hanging(sign, words, look, width, "info"))]  # fmt: skip
    if step.holds or step.evidence:
        lines += _hanging(indent, by_itself(step), look, width, "muted")
    return lines


def _muted(line: Cells, look: Look) -> Cells:
    plain = look("text")
    return [Segment(s.text, look("muted") if s.style == plain else s.style) for s in line]


def _rung(rung: Rung, look: Look) -> Cells:
    when = f"after {fmt.age(rung.after)}" if rung.after else "at once"
    until = "" if rung.deadline is None else f"before {fmt.age(rung.deadline)}"
    return (
        piece(f" {when:<12}", look("muted")),
        piece(rung.who, look("text")),
        piece(f"  {until}" if until else "", look("faint")),
    )
