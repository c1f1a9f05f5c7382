"""What a dialog says of a plan, in the lines there are: steps, blast radius, guards, choices, a second person. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from console.domain import duration
from console.domain.action import Choice, Fact, Guard, Plan, PlannedStep
from screens.paragraphs import Line, fact_cells
from widgets.cells import EMPTY, Cells, cells, fit, measure, piece
from widgets.look import Look
from widgets.text_panel import wrapped

CHOICE_KEYS = "123456789"
_INDENT = "  "
_LEAST = 4
"""So many lines are scrolled at least, with the one that counts what is out of sight."""


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan as a dialog shows it. `guards` are all that were asked, the agent's and the store's; `approval` says why a
    second person is needed ("" when not), `approver` who may be one; `decided` are the choices made so far."""

    plan: Plan
    guards: tuple[Guard, ...] = ()
    approval: str = ""
    approver: str = ""
    decided: Mapping[str, str] = field(default_factory=dict)


class Shown(NamedTuple):
    """The lines of a plan that are in sight: `top` lines of what can be scrolled are above them, `overhang` is how far
    down it goes (0 where all of it fits), `page` how many lines of it are seen at once."""

    lines: list[Line]
    top: int = 0
    overhang: int = 0
    page: int = 1


def plan_lines(view: PlanView, look: Look, width: int, room: int, top: int = 0) -> Shown:
    """The lines, at most `room` of `width` cells. With less room the blank lines go, then short facts stand side by
    side; what is still too much is scrolled, above what somebody has to mind or to decide, which stays in sight."""
    plan = view.plan
    steps, notes, command = _steps(plan.steps, look), _notes(plan.notes, look, width), _command(plan, look)
    failed, passed = _failed(view.guards, look, width), _passed(view.guards, look, width)
    choices, people = _choices(plan.choices, view.decided, look), _people(view, look)
    facts: list[Line] = []
    for pairs, gaps in ((False, True), (False, False), (True, False)):
        facts = _facts(plan.facts, look, width, pairs=pairs)
        parts = (steps, facts, [*failed, *passed], choices, people, notes, command)
        lines = _joined(parts, gaps=gaps)
        if len(lines) <= room:
            return Shown(lines)
    # What can't be had back is minded as well.
    loud = _facts([fact for fact in plan.facts if fact.weight == "crit"], look, width, pairs=False)[1:]
    facts = _facts([fact for fact in plan.facts if fact.weight != "crit"], look, width, pairs=True)
    minded, told = [*loud, *failed, *choices, *people], [*steps, *facts, *notes, *passed, *command]
    if room - len(minded) < _LEAST:
        minded, told = [], [*minded, *told]
    page = max(room - len(minded) - 1, 1)
    overhang = len(told) - page
    top = min(max(top, 0), overhang)
    lines = [*told[top : top + page], _more(top, overhang - top, look), *minded]
    return Shown(lines, top, overhang, page)


def _joined(parts: Sequence[list[Line]], *, gaps: bool) -> list[Line]:
    lines: list[Line] = []
    for part in parts:
        if part and lines and gaps:
            lines.append((EMPTY, EMPTY))
        lines += part
    return lines


def _more(above: int, below: int, look: Look) -> Line:
    """What is out of sight, and the keys that lead there."""
    words = [f"{below} more: down, page down"] if below else []
    words += [f"{above} above: up, page up"] if above else []
    return cells(f"{_INDENT}{'   '.join(words)}", look("accent")), EMPTY


def _heading(word: str, words: Cells, look: Look) -> Line:
    return (piece(f"{word}  ", look("strong", bold=True)), *words), EMPTY


def _steps(steps: Sequence[PlannedStep], look: Look) -> list[Line]:
    lines = [_heading("plan", EMPTY, look)] if steps else []
    for number, step in enumerate(steps, 1):
        left = (piece(f"{_INDENT}{number} ", look("faint")), piece(step.title, look("text")))
        when = f"after {duration.written(timedelta(seconds=step.after_s))}  " if step.after_s else ""
        lines.append((left, cells(f"{when}{step.layer}", look("muted"))))
    return lines


def _facts(facts: Sequence[Fact], look: Look, width: int, *, pairs: bool) -> list[Line]:
    if not facts:
        return []
    size = max(min(max(len(f.value) for f in facts), 16), 6)
    entries: list[Cells] = [(piece(_INDENT), *fact_cells(fact, look, size)) for fact in facts]
    lines = _in_pairs(entries, look, width) if pairs else [(entry, EMPTY) for entry in entries]
    return [_heading("blast radius", EMPTY, look), *lines]


def _in_pairs(entries: Sequence[Cells], look: Look, width: int) -> list[Line]:
    """Two in a line where nothing has to be cut for that."""
    half, rest = width // 2, list(entries)
    lines: list[Line] = []
    while rest:
        first = rest.pop(0)
        if rest and measure(first) < half and measure(rest[0]) <= width - half:
            first = (*fit(first, half, piece(look.glyphs["ellipsis"])), *rest.pop(0))
        lines.append((first, EMPTY))
    return lines


def _failed(guards: Sequence[Guard], look: Look, width: int) -> list[Line]:
    """How many passed, and all words of those that did not."""
    if not guards:
        return []
    count = sum(guard.passed for guard in guards)
    role = "ok" if count == len(guards) else "crit"
    lines = [_heading("guards", cells(f"{count} of {len(guards)} passed", look(role)), look)]
    for guard in (guard for guard in guards if not guard.passed):
        first, *more = wrapped(guard.text or guard.name, max(width - len(_INDENT) - 2, 8)) or [""]
        lines.append((_guard(guard, first, look), EMPTY))
        lines += [(cells(f"{_INDENT}  {line}", look("crit")), EMPTY) for line in more]
    return lines


def _passed(guards: Sequence[Guard], look: Look, width: int) -> list[Line]:
    good = [_guard(guard, guard.text or guard.name, look) for guard in guards if guard.passed]
    return _in_pairs(good, look, width)


def _notes(notes: Sequence[str], look: Look, width: int) -> list[Line]:
    return [(cells(line, look("muted")), EMPTY) for note in notes for line in wrapped(note, max(width, 8))]


def _guard(guard: Guard, text: str, look: Look) -> Cells:
    glyph, role = ("done", "ok") if guard.passed else ("failed", "crit")
    return (
        piece(f"{_INDENT}{look.glyphs[glyph]} ", look(role)),
        piece(text, look("text" if guard.passed else "crit")),
    )


def _choices(choices: Sequence[Choice], decided: Mapping[str, str], look: Look) -> list[Line]:
    lines: list[Line] = []
    for key, choice in zip(CHOICE_KEYS, choices, strict=False):
        chosen = decided.get(choice.name)
        meaning = dict(choice.options).get(chosen or "", "")
        head = (
            piece(f"{key}) ", look("accent", bold=True)),
            piece(f"{choice.title}: ", look("strong", bold=True)),
            *(
                part
                for word, _ in choice.options
                for part in (
                    piece(f" {word} ", look.chip("accent") if word == chosen else look("muted")),
                    piece(" "),
                )
            ),
        )
        lines.append((head, EMPTY))
        words = meaning if chosen else f"(not chosen): {key} goes through them"
        lines.append((cells(f"{_INDENT}{words}", look("muted" if chosen else "warn")), EMPTY))
    return lines


def _people(view: PlanView, look: Look) -> list[Line]:
    if not view.approval:
        return []
    words = (
        piece(f"{look.glyphs['pending']} ", look("pending", bold=True)),
        piece(view.approval, look("pending")),
        piece(f"; approved by {view.approver}" if view.approver else "", look("muted")),
    )
    return [(words, EMPTY)]


def _command(plan: Plan, look: Look) -> list[Line]:
    if not plan.command:
        return []
    return [
        ((piece("c ", look("accent", bold=True)), piece(plan.command, look("muted"))), EMPTY),
    ]
