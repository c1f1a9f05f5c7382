"""What a dialog says of a plan, in the lines there are: steps, blast radius, guards, choices, a second person. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from console.domain import duration
from console.domain.action import Choice, Fact, Guard, Plan, PlannedStep
from screens.paragraphs import Line, fact_cells
from widgets.cells import EMPTY, Cells, cells, fit, piece
from widgets.look import Look

CHOICE_KEYS = "123456789"
_INDENT = "  "
_LEVELS = 6
_FEW_STEPS, _FEW_FACTS = 3, 4


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan as a dialog shows it. `guards` are all that were asked, the agent's and the store's; `approval` says why a
    second person is needed ("" when not), `approver` who may be one; `decided` are the choices made so far."""

    plan: Plan
    guards: tuple[Guard, ...] = ()
    approval: str = ""
    approver: str = ""
    decided: Mapping[str, str] = field(default_factory=dict)


def plan_lines(view: PlanView, look: Look, width: int, room: int) -> list[Line]:
    """The lines, at most `room` of `width` cells: with less room first the blank lines go, then guards that passed,
    then facts stand side by side, then the last steps and facts are only counted."""
    for level in range(_LEVELS):
        lines = _at(view, look, width, level)
        if len(lines) <= room:
            return lines
    told, decided = _parts(view, look, width, _LEVELS)
    needed = [line for part in decided for line in part]
    return [*[line for part in told for line in part][: max(room - len(needed), 0)], *needed][: max(room, 0)]


def _at(view: PlanView, look: Look, width: int, level: int) -> list[Line]:
    told, decided = _parts(view, look, width, level)
    tail = [[(cells(note, look("muted")), EMPTY) for note in view.plan.notes] if level < 4 else []]
    lines: list[Line] = []
    for part in (*told, *decided, *tail, _command(view.plan, look)):
        if part and lines and level == 0:
            lines.append((EMPTY, EMPTY))
        lines += part
    return lines


def _parts(view: PlanView, look: Look, width: int, level: int) -> tuple[list[list[Line]], list[list[Line]]]:
    """What will happen; and what somebody has to mind or to decide, which is never left out."""
    plan = view.plan
    told = [
        _steps(plan.steps, look, most=_FEW_STEPS if level >= 4 else None),
        _facts(plan.facts, look, width, pairs=level >= 3, most=_FEW_FACTS if level >= 5 else None),
    ]
    decided = [
        _guards(view.guards, look, width, failed_only=level >= 2),
        _choices(plan.choices, view.decided, look),
        _people(view, look),
    ]
    return told, decided


def _heading(word: str, words: Cells, look: Look) -> Line:
    return (piece(f"{word}  ", look("strong", bold=True)), *words), EMPTY


def _steps(steps: Sequence[PlannedStep], look: Look, *, most: int | None) -> list[Line]:
    if not steps:
        return []
    shown = steps if most is None or len(steps) <= most else steps[: most - 1]
    lines = [_heading("plan", EMPTY, look)]
    for number, step in enumerate(shown, 1):
        left = (piece(f"{_INDENT}{number} ", look("faint")), piece(step.title, look("text")))
        when = f"after {duration.written(timedelta(seconds=step.after_s))}  " if step.after_s else ""
        lines.append((left, cells(f"{when}{step.layer}", look("muted"))))
    if len(shown) < len(steps):
        words = f"{_INDENT}and {len(steps) - len(shown)} more steps"
        lines.append((cells(words, look("muted")), EMPTY))
    return lines


def _facts(facts: Sequence[Fact], look: Look, width: int, *, pairs: bool, most: int | None) -> list[Line]:
    if not facts:
        return []
    # What is to be minded comes first where not all can stand.
    shown = sorted(facts, key=lambda f: f.weight not in ("crit", "warn"))[:most] if most else list(facts)
    lines = [_heading("blast radius", EMPTY, look)]
    size = max(min(max(len(f.value) for f in shown), 16), 6)
    entries: list[Cells] = [(piece(_INDENT), *fact_cells(fact, look, size)) for fact in shown]
    if not pairs:
        return lines + [(entry, EMPTY) for entry in entries]
    half, ellipsis = width // 2, piece(look.glyphs["ellipsis"], look("faint"))
    for i in range(0, len(entries), 2):
        second = entries[i + 1] if i + 1 < len(entries) else EMPTY
        lines.append(((*fit(entries[i], half, ellipsis), *second), EMPTY))
    return lines


def _guards(guards: Sequence[Guard], look: Look, width: int, *, failed_only: bool) -> list[Line]:
    if not guards:
        return []
    passed = sum(guard.passed for guard in guards)
    role = "ok" if passed == len(guards) else "crit"
    lines = [_heading("guards", cells(f"{passed} of {len(guards)} passed", look(role)), look)]
    lines += [(_guard(guard, look), EMPTY) for guard in guards if not guard.passed]
    if failed_only:
        return lines
    half, ellipsis = width // 2, piece(look.glyphs["ellipsis"], look("faint"))
    good = [_guard(guard, look) for guard in guards if guard.passed]
    for i in range(0, len(good), 2):
        second = fit(good[i + 1], width - half, ellipsis) if i + 1 < len(good) else EMPTY
        lines.append(((*fit(good[i], half - 1, ellipsis), piece(" "), *second), EMPTY))
    return lines


def _guard(guard: Guard, look: Look) -> Cells:
    glyph, role = ("done", "ok") if guard.passed else ("failed", "crit")
    return (
        piece(f"{_INDENT}{look.glyphs[glyph]} ", look(role)),
        piece(guard.text or guard.name, look("text" if guard.passed else "crit")),
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
                    piece(f" {word} ", look.chip("accent") if word == chosen else look("text", on="raised")),
                    piece(" "),
                )
            ),
        )
        lines.append((head, EMPTY))
        words = meaning if chosen else f"decide: {key} goes through them"
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
