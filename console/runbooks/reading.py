"""From a file's Markdown to a book: what its front matter, headings and items may say. Everything is checked here; what
is wrong with a file is one Misuse with all of its faults, each with file and line."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from console.domain import duration
from console.domain.action import KindSpec, Parameter
from console.domain.book import (
    BLANKS,
    EVIDENCE,
    PARTS,
    PLACEHOLDER,
    Checklist,
    Runbook,
    Rung,
    Step,
    Symptom,
    Template,
)
from console.domain.errors import Misuse
from console.domain.metric import MetricSpec
from console.domain.text import lines_of, printable
from console.located import Table, meant
from console.rules import parser
from console.runbooks import recurrence
from console.runbooks.markdown import NO_PROSE, Item, Page, Section, page
from console.store.books import Book

SCREENS = {
    "health": 1, "metrics": 2, "alerts": 4, "incident": 5, "runbooks": 6, "deploy": 7, "security": 8, "actions": 9,
}  # fmt: skip
"""What `{screen: ...}` may name, beside their numbers."""
RHYTHMS = ("daily", "weekly", "monthly", "custom")
AUDIENCES = ("internal", "customer")
UPDATES = ("initial", "update", "final")
Made = TypeVar("Made")
_DOES = ("action", "check", "screen", "metric", "holds", "evidence")
_SYMPTOMS, _LADDER = "symptoms", "escalation"
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_LONGEST = 500
_LONGEST_TEMPLATE = 8000


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What steps may name: kinds of actions by name, ids of checks, metrics by name. None: not known, so that anything
    goes."""

    kinds: Mapping[str, KindSpec] | None = None
    checks: Collection[str] | None = None
    specs: Mapping[str, MetricSpec] | None = None


def runbook(text: str, file: Path, words: Vocabulary) -> Runbook:
    """A runbook: a summary, then any of the sections Symptoms, Immediate, Investigation, Resolution, Escalation."""
    whole = page(text, file)
    front = whole.front
    whole.only(front, ("title", "aliases", "level", "customers"), "key of a runbook")
    title = whole.value("title", lambda: _line(front, "title"), "")
    aliases = whole.tried(lambda: _texts(front, "aliases"), ())
    level = whole.tried(lambda: _level(front), 2)
    customers = whole.tried(lambda: _line(front, "customers") if "customers" in front else "", "")
    top, *sections = whole.sections()
    summary = _summary(whole, top)
    _no_items(whole, top, f"first the heading ## {PARTS[0].capitalize()}, or another section of a runbook")
    found = {section.title.casefold(): section for section in sections}
    for name, section in found.items():
        if name not in (_SYMPTOMS, *PARTS, _LADDER):
            titles = [each.capitalize() for each in (_SYMPTOMS, *PARTS, _LADDER)]
            whole.note(section.line, f"no such section: {section.title}; {meant(section.title, titles)}")
            boxed = Section("", section.line, [item for item in section.items if item.box is not None])
            _each(whole, boxed, lambda item: _step(whole, item, "", words))
        for line, _ in section.prose:
            whole.note(line, NO_PROSE)
    steps = [
        step
        for part in PARTS
        if part in found
        for step in _each(whole, found[part], lambda item, part=part: _step(whole, item, part, words))
    ]
    ladder = _each(whole, found.get(_LADDER), lambda item: _rung(whole, item))
    symptoms = _each(whole, found.get(_SYMPTOMS), lambda item: _symptom(whole, item, words))
    if not steps and not whole.faults:
        whole.note(whole.line, "expected at least one step: - [ ] text")
    whole.settle()
    return Runbook(
        name=file.stem,
        title=title,
        summary=summary,
        aliases=aliases,
        symptoms=tuple(symptoms),
        steps=tuple(steps),
        ladder=tuple(sorted(ladder, key=lambda rung: rung.after)),
        level=level,
        customers=customers,
        place=file.name,
    )


def checklist(text: str, file: Path, words: Vocabulary) -> Checklist:
    """A recurring checklist: when it is due in the front matter, then a summary and its items."""
    whole = page(text, file)
    front, none = whole.front, timedelta()
    known = ("title", "rhythm", "rule", "at", "timezone", "opens", "grace", "owner")
    whole.only(front, known, "key of a checklist")
    top, *sections = whole.sections()
    for section in sections:
        whole.note(section.line, f"expected no headings in a checklist: {section.title}")
        top.items += section.items
    made = Checklist(
        name=file.stem,
        title=whole.value("title", lambda: _line(front, "title"), ""),
        rhythm=whole.value("rhythm", lambda: front.choice("rhythm", RHYTHMS), ""),
        rule=whole.value("rule", lambda: _line(front, "rule", 200), ""),
        at=whole.value("at", lambda: _at(front), ""),
        timezone=whole.tried(lambda: _zone(front), ""),
        opens=whole.tried(lambda: _span(front, "opens", timedelta(hours=12)), none),
        grace=whole.tried(lambda: _span(front, "grace", timedelta(hours=1)), none),
        owner=whole.tried(lambda: _line(front, "owner", 63) if "owner" in front else "", ""),
        summary=_summary(whole, top),
        items=tuple(_each(whole, top, lambda item: _step(whole, item, "", words))),
        place=file.name,
    )
    if not top.items and not whole.faults:
        whole.note(whole.line, "expected at least one item: - [ ] text")
    if made.rule and made.at and made.timezone:
        try:
            recurrence.check(made)
        except ValueError as error:
            whole.note(front.lines["rule"], f"rule: {printable(error)}")
    whole.settle()
    return made


def template(text: str, file: Path, words: Vocabulary) -> Template:
    """A stakeholder update: who it is for in the front matter, then its text with `{{ name }}`s."""
    whole = page(text, file)
    front = whole.front
    whole.only(front, ("title", "audience", "kind", "again"), "key of a template")
    for number, line in enumerate(whole.text.split("\n"), whole.line):
        for name in PLACEHOLDER.findall(line):
            if name not in BLANKS:
                whole.note(number, f"no such placeholder: {printable(name, 60)}; {meant(name, BLANKS)}")
        if "{{" in (rest := PLACEHOLDER.sub("", line)) or "}}" in rest:
            whole.note(number, "expected {{ name }}, both braces on one line")
    body = lines_of(whole.text)
    if not body.strip():
        whole.note(whole.line, "expected a text below the front matter")
    if len(whole.text) > _LONGEST_TEMPLATE:
        whole.note(whole.line, f"expected at most {_LONGEST_TEMPLATE} characters, not {len(whole.text)}")
    levels = {f"sev{level}": level for level in (1, 2, 3)}
    none = Table(file, front.line)
    again = whole.tried(lambda: front.table("again") if "again" in front else none, none)
    whole.only(again, levels, "level")
    made = Template(
        name=file.stem,
        title=whole.value("title", lambda: _line(front, "title"), ""),
        audience=whole.value("audience", lambda: front.choice("audience", AUDIENCES), ""),
        kind=whole.value("kind", lambda: front.choice("kind", UPDATES), ""),
        text=body,
        again={
            levels[name]: whole.tried(lambda name=name: _span(again, name), timedelta())
            for name in again
            if name in levels
        },
        place=file.name,
    )
    whole.settle()
    return made


# --- items ------------------------------------------------------------------------------------------------------------


def _each(whole: Page, section: Section | None, make: Callable[[Item], Made]) -> list[Made]:
    """What the items of a section say; what is wrong with one is noted."""
    made = [whole.tried(partial(make, item), None) for item in (section.items if section else ())]
    return [each for each in made if each is not None]


def _step(whole: Page, item: Item, part: str, words: Vocabulary) -> Step:
    if item.box is None:
        whole.fail(item.line, "expected a box before the text: - [ ] text")
    if item.box != " ":
        whole.fail(item.line, "expected an empty box [ ]: the console keeps what is done, not this file")
    says = item.says
    if "action" in says:
        return Step(
            item.text, part, item.detail, action=_line(says, "action", 60), params=_params(says, words)
        )
    says.only(_DOES, "thing that a step can do")
    for second in list(says)[1:]:
        raise Misuse(f"{says.place(second)}: expected only one of {', '.join(says)}")
    step = Step(
        item.text,
        part,
        item.detail,
        check=_line(says, "check", 60) if "check" in says else "",
        screen=_screen(says) if "screen" in says else 0,
        metric=_line(says, "metric", 100) if "metric" in says else "",
        holds=_line(says, "holds") if "holds" in says else "",
        evidence=says.choice("evidence", EVIDENCE) if "evidence" in says else "",
    )
    if step.check:
        _known(says, "check", step.check, words.checks)
    if step.metric:
        _known(says, "metric", step.metric, words.specs)
    if step.holds:
        _condition(says, step.holds, words.specs)
    return step


def _params(says: Table, words: Vocabulary) -> dict[str, str]:
    """What an action is to be asked for with; what is missing is asked of whoever starts it."""
    name, kinds = says["action"].strip(), words.kinds
    _known(says, "action", name, kinds)
    known = None if kinds is None else {each.name: each for each in kinds[name].parameters}
    given: dict[str, str] = {}
    for key in says:
        if key == "action":
            continue
        value = _value(says, key)
        if known is None:
            if key in _DOES:
                raise Misuse(f"{says.place(key)}: expected only one of action, {key}")
        elif key not in known:
            raise Misuse(
                f"{says.place(key)}: {name} has no such parameter: {printable(key)}; {meant(key, known)}"
            )
        else:
            _fits(says, key, value, known[key])
        given[printable(key)] = printable(value)
    return given


def _value(says: Table, key: str) -> str:
    """A parameter as a person would type it."""
    value = says[key]
    if not isinstance(value, str | int | float):
        says.fail(key, "a text")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if len(key) > 60 or len(text) > 200:
        says.fail(key, "at most 200 characters")
    return text


def _fits(says: Table, key: str, value: str, parameter: Parameter) -> None:
    if parameter.type == "choice" and value not in parameter.choices:
        says.fail(key, f"one of {', '.join(parameter.choices)}")
    if parameter.type == "duration" and duration.parse(value) is None:
        says.fail(key, duration.EXPECTED)


def _known(says: Table, key: str, word: str, known: Iterable[str] | None) -> None:
    if known is not None and word not in (names := set(known)):
        raise Misuse(f"{says.place(key)}: no such {key}: {printable(word, 60)}; {meant(word, names)}")


def _condition(says: Table, text: str, specs: Mapping[str, MetricSpec] | None) -> None:
    if specs is None:
        return
    try:
        found = parser.parse(text, specs)
    except parser.Slip as slip:
        raise Misuse(f"{says.place('holds')}: holds: {slip.problem}") from None
    if found.for_ or found.keep_firing_for:
        says.fail("holds", "a condition without a duration: it is asked at one moment")


def _screen(says: Table) -> int:
    wanted = says["screen"]
    if isinstance(wanted, str) and wanted in SCREENS:
        return SCREENS[wanted]
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted not in SCREENS.values():
        says.fail("screen", f"one of {', '.join(f'{name} ({number})' for name, number in SCREENS.items())}")
    return wanted


def _symptom(whole: Page, item: Item, words: Vocabulary) -> Symptom:
    if item.box is not None:
        whole.fail(item.line, "expected no box here: a symptom is not done")
    item.says.only(("rules", "metrics"), "key of a symptom")
    metrics = _texts(item.says, "metrics")
    for name in metrics:
        _known(item.says, "metrics", name, words.specs)
    return Symptom(item.text, _texts(item.says, "rules"), metrics)


def _rung(whole: Page, item: Item) -> Rung:
    if item.box is not None:
        whole.fail(item.line, "expected no box here: - who {after: 5m, deadline: 15m}")
    item.says.only(("after", "deadline"), "key of a rung")
    after = _span(item.says, "after")
    deadline = _span(item.says, "deadline") if "deadline" in item.says else None
    if deadline is not None and deadline < after:
        item.says.fail("deadline", "no less than `after`")
    if len(item.text) > 100:
        whole.fail(item.line, "expected a name of at most 100 characters")
    return Rung(item.text, after, deadline)


# --- values -----------------------------------------------------------------------------------------------------------


def _level(front: Table) -> int:
    level = front.number("level")
    if level not in (None, 1, 2, 3):
        front.fail("level", "1 (the worst), 2 or 3")
    return 2 if level is None else int(level)


def _at(front: Table) -> str:
    """A time of day, as `09:00`."""
    if not (time := _TIME.fullmatch(front.text("at"))):
        front.fail("at", "a time of day such as 09:00")
    return f"{int(time[1]):02}:{time[2]}"


def _line(table: Table, key: str, longest: int = 200) -> str:
    """One line of text."""
    text = table.text(key).strip()
    if len(text) > longest or "\n" in text:
        table.fail(key, f"one line of at most {longest} characters")
    return printable(text, longest)


def _texts(table: Table, key: str) -> tuple[str, ...]:
    """One text or a list of them; none where the key is absent."""
    value = table.get(key, [])
    each = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) and text.strip() for text in each):
        table.fail(key, "a text or a list of texts")
    return tuple(printable(text.strip(), 200) for text in each)


def _span(table: Table, key: str, default: timedelta | None = None) -> timedelta:
    """A duration; 0 is none at all."""
    value = table.get(key)
    if value is None and default is not None and key not in table:
        return default
    if isinstance(value, int) and not isinstance(value, bool) and value == 0:
        return timedelta()
    found = duration.parse(value) if isinstance(value, str) else None
    if found is None:
        table.fail(key, duration.EXPECTED)
    return found


def _zone(front: Table) -> str:
    name = front.text("timezone", "UTC")
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        front.fail("timezone", "a time zone such as UTC or Europe/London")
    return name


def _summary(whole: Page, top: Section) -> str:
    text = " ".join(prose for _, prose in top.prose)
    if len(text) > _LONGEST:
        whole.note(top.prose[0][0], f"expected a summary of at most {_LONGEST} characters, not {len(text)}")
    return printable(text)


def _no_items(whole: Page, top: Section, expected: str) -> None:
    for item in top.items:
        whole.note(item.line, f"expected {expected}")


READERS = {"runbook": runbook, "checklist": checklist, "template": template}
"""How a file of each kind is read: `reader(text, file, words)`, which raises Misuse (Broken where several
faults may be) and nothing else."""


def read(kind: str, file: Path, words: Vocabulary) -> Book:
    """The book in this file. Raises Misuse."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"{file}: cannot be read: {printable(error)}") from None
    return READERS[kind](text, file, words)
