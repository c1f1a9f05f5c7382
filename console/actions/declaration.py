"""Kinds that actions.yaml declares: steps that are a command, an HTTP call or one SQL statement.

A parameter stands for a whole word of a command, a whole JSON value or a bound value, as `"{name}"`; it is never put
into a text that something reads as a language. Titles are only shown, and may name parameters anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from console.actions.kind import missing
from console.actions.kinds.declared import Declared
from console.actions.kinds.declared_steps import (
    HOLE,
    Ask,
    Call,
    Command,
    DeclaredStep,
    Deed,
    Ops,
    Probe,
    Sql,
    Values,
    secret_of,
)
from console.domain.action import Danger, KindSpec, Parameter, worded
from console.domain.duration import EXPECTED
from console.domain.duration import parse as parse_duration
from console.domain.errors import Misuse
from console.located import Table, meant

TYPES = ("text", "integer", "duration", "network", "account", "choice", "flag")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")
_KEYS = (
    "title", "verb", "group", "parameters", "target", "role", "danger", "second_person", "budget", "freeze", "undo",
    "exclusive", "effect", "lifts", "expires", "notes", "unavailable", "steps",
)  # fmt: skip
_ROLES = ("responder", "commander")
_RULES = ("role", "second_person", "budget", "freeze", "unavailable")
_STEP = (
    "title",
    "layer",
    "ops",
    "http",
    "sql",
    "command",
    "probe",
    "timeout",
    "retries",
    "after",
    "optional",
)
_DEEDS = ("ops", "http", "sql", "command")
_METHODS = ("POST", "PUT", "PATCH", "DELETE")
_MOST_TIMEOUT = timedelta(hours=2)


def declared(name: str, table: Table, doors: Collection[str]) -> Declared:
    """The kind of one entry. Raises Misuse with file and line."""
    if not _NAME.fullmatch(name):
        raise Misuse(f"{table.place()}: expected a name of a-z, 0-9 and _, not {name!r}")
    table.only(_KEYS, "key of an action")
    parameters = _parameters(table)
    names = {parameter.name for parameter in parameters}
    steps = _steps(table, names)
    unavailable = table.text("unavailable", "") or _missing(steps, doors)
    if not steps and not unavailable:
        table.fail("steps", "at least one step, or `unavailable` with the reason")
    target = table.text("target", "")
    if target and target not in names:
        table.fail("target", f"the name of a parameter ({', '.join(sorted(names)) or 'there is none'})")
    expires = flag(table, "expires", False)
    if expires and "length" not in names:
        table.fail("expires", "a parameter `length` that says when")
    lifts, effect = table.text("lifts", ""), flag(table, "effect", False)
    if expires and not (effect and table.text("undo", "")):
        table.fail("expires", "`effect: true` and an `undo`: something must take it back")
    spec = KindSpec(
        name=name,
        title=table.text("title"),
        verb=table.text("verb", table.text("title")),
        command=f"actions start {worded(name)}",
        parameters=parameters,
        target=target,
        role=table.choice("role", _ROLES, "responder"),
        danger=Danger(table.choice("danger", [str(d) for d in Danger], "medium")),
        second_person=flag(table, "second_person", False),
        budget=whole(table, "budget", 1, 10_000, 20),
        freeze=flag(table, "freeze", True),
        undo=table.text("undo", ""),
        expires=expires,
        exclusive=table.text("exclusive", ""),
        layers=tuple(dict.fromkeys(step.layer for step in steps if step.layer)),
        unavailable=unavailable,
        group=table.text("group", "other"),
    )
    return Declared(spec, steps, effect, lifts, texts(table, "notes"))


def ruled(table: Table, spec: KindSpec) -> KindSpec:
    """A kind of the program itself, as the entry wants it ruled. Raises Misuse."""
    table.only(_RULES, "rule of an action of the program itself")
    return replace(
        spec,
        role=table.choice("role", _ROLES, spec.role),
        second_person=flag(table, "second_person", spec.second_person),
        budget=whole(table, "budget", 1, 10_000, spec.budget),
        freeze=flag(table, "freeze", spec.freeze),
        unavailable=table.text("unavailable", "") or spec.unavailable,
    )


def _parameters(table: Table) -> tuple[Parameter, ...]:
    if "parameters" not in table:
        return ()
    found = table.table("parameters")
    made: list[Parameter] = []
    for name in found:
        one = found.table(name)
        if not _NAME.fullmatch(name):
            raise Misuse(f"{found.place(name)}: expected a name of a-z, 0-9 and _, not {name!r}")
        one.only(("title", "type", "required", "default", "choices"), "key of a parameter")
        kind, choices = one.choice("type", TYPES, "text"), texts(one, "choices")
        if (kind == "choice") != bool(choices):
            one.fail("choices", "a list of words, for the type choice only")
        default = str(one.get("default", ""))
        if choices and default and default not in choices:
            one.fail("default", f"one of {', '.join(choices)}")
        required = flag(one, "required", not default)
        made.append(Parameter(name, one.text("title", name), kind, required, default, choices))
    return tuple(made)


def _steps(table: Table, names: Collection[str]) -> tuple[DeclaredStep[Probe], ...]:
    if "steps" not in table:
        return ()
    found = table["steps"]
    if not isinstance(found, list) or not all(isinstance(one, Table) for one in found):
        table.fail("steps", "a list of steps")
    return tuple(_step(number, one, names) for number, one in enumerate(found, 1))


def _step(number: int, table: Table, names: Collection[str]) -> DeclaredStep[Probe]:
    table.only(_STEP, "key of a step")
    key = one_of(table, _DEEDS)
    return DeclaredStep(
        name=f"step_{number}",
        title=title_of(table, names),
        layer=table.text("layer", ""),
        deed=deed_of(table, key, names),
        probe=_probe(table, names) if "probe" in table else None,
        timeout_s=span(table, "timeout", timedelta(seconds=10), _MOST_TIMEOUT).total_seconds(),
        retries=retries_of(table, key),
        after=span(table, "after", timedelta(), timedelta(days=7)),
        optional=flag(table, "optional", False),
    )


def one_of(table: Table, keys: Sequence[str]) -> str:
    """The one of these keys that there is."""
    given = [key for key in keys if key in table]
    if len(given) != 1:
        table.fail(None, f"exactly one of {', '.join(keys)}")
    return given[0]


def title_of(table: Table, names: Collection[str]) -> str:
    """Only shown: it may name parameters anywhere."""
    title = table.text("title")
    holes(table, "title", title, names)
    return title


def retries_of(table: Table, key: str) -> int:
    """What surely did not happen may be tried again; a command that failed is not such a thing."""
    return whole(table, "retries", 0, 20, 0 if key == "command" else 2)


def argv_of(table: Table, names: Collection[str]) -> tuple[str, ...]:
    """The words of a command, of which the first is a program and no parameter."""
    argv = value_of(table, "argv", table.get("argv"), names)
    words = argv if isinstance(argv, list) else []
    if not words or not all(isinstance(word, str) and word for word in words) or "{" in words[0]:
        table.fail("argv", "a list of words that begins with a program")
    return tuple(words)


def deed_of(table: Table, key: str, names: Collection[str]) -> Deed:
    if key == "sql":
        one = table.table("sql")
        one.only(("statement", "values"), "key of sql")
        return Sql(one.text("statement"), _values(one, "values", names))
    one = table.table(key)
    if key == "command":
        one.only(("argv", "cwd", "env", "secrets"), "key of a command")
        cwd = one.text("cwd", "")
        secrets = {name: partial(secret_of, Path(file)) for name, file in one.labels("secrets").items()}

        async def place(_: Values) -> Path | None:
            return Path(cwd) if cwd else None

        return Command(argv_of(one, names), one.labels("env"), secrets, place)
    body = value_of(one, "json", one.get("json"), names)
    method = one.choice("method", _METHODS)
    if key == "ops":
        one.only(("method", "path", "json"), "key of ops")
        return Ops(method, _path(one, "path"), body)
    one.only(("method", "url", "json", "token"), "key of http")
    url, token = one.text("url"), one.text("token", "")
    if not re.match(r"https?://[^/{]", url) or "{" in url:
        one.fail("url", "a URL that starts with http:// or https://, without a parameter in it")
    return Call(method, url, body, Path(token) if token else None)


def _probe(table: Table, names: Collection[str]) -> Probe:
    """Exactly one of `ops` (with `equals` or `changed`) and `sql`."""
    one = table.table("probe")
    one.only(("ops", "equals", "changed", "statement", "values"), "key of a probe")
    if "statement" in one:
        return Probe(Ask(one.text("statement"), _values(one, "values", names)))
    equals = value_of(one, "equals", one.get("equals"), names)
    for key in equals if isinstance(equals, dict) else ():
        holes(one, "equals", key, names)
    changed = one.text("changed", "")
    if bool(changed) == isinstance(equals, dict):
        one.fail(None, "exactly one of equals (a mapping) and changed (a key)")
    return Probe(_path(one, "ops"), equals if isinstance(equals, dict) else {}, changed)


def _path(table: Table, key: str) -> str:
    path = table.text(key)
    if not re.fullmatch(r"/[\w./-]*", path):
        table.fail(key, "a path such as /compute, below ops_url")
    return path


def _values(table: Table, key: str, names: Collection[str]) -> tuple[Any, ...]:
    found = table.get(key, [])
    if not isinstance(found, list):
        table.fail(key, "a list")
    return tuple(value_of(table, key, value, names) for value in found)


def value_of(table: Table, key: str, value: Any, names: Collection[str]) -> Any:
    """As it is, after a look at its parameters: each must be known and stand alone."""
    if isinstance(value, dict):
        return {name: value_of(table, key, one, names) for name, one in value.items()}
    if isinstance(value, list):
        return [value_of(table, key, one, names) for one in value]
    if isinstance(value, str) and HOLE.search(value):
        if not HOLE.fullmatch(value):
            table.fail(key, f"a parameter that stands alone, as in [--to, {HOLE.findall(value)[0]!r}]")
        holes(table, key, value, names)
    return value


def holes(table: Table, key: str, text: str, names: Collection[str]) -> None:
    for name in HOLE.findall(text):
        if name not in names:
            table.fail(key, f"known parameters (not {name}; {meant(name, names)})")


def _missing(steps: tuple[DeclaredStep[Probe], ...], doors: Collection[str]) -> str:
    """Why it can't be done here."""
    needed = {"ops": Ops, "database": Sql}
    used = (door for door, deed in needed.items() if any(isinstance(step.deed, deed) for step in steps))
    return missing(doors, *used)


def texts(table: Table, key: str) -> tuple[str, ...]:
    found = table.get(key, [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        table.fail(key, "a list of texts")
    return tuple(found)


def flag(table: Table, key: str, default: bool) -> bool:
    value = table.get(key, default)
    if not isinstance(value, bool):
        table.fail(key, "true or false")
    return value


def whole(table: Table, key: str, least: int, most: int, default: int | None = None) -> int:
    """A whole number; Misuse when it is something else, or missing without a default."""
    value = table.number(key)
    if value is None and default is not None:
        return default
    if value is None or not (value.is_integer() and least <= value <= most):
        table.fail(key, f"a whole number from {least} to {most}")
    return int(value)


def span(table: Table, key: str, default: timedelta, most: timedelta) -> timedelta:
    if key not in table:
        return default
    value = parse_duration(str(table[key]))
    if value is None or value > most:
        table.fail(key, EXPECTED)
    return value
