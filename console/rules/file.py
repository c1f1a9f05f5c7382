"""Rule files: `alert_rules:` with the groups critical, warning and info. Every rule in it becomes one, or the file is
refused with the place of what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import yaml

from console.domain import duration
from console.domain.errors import Misuse
from console.domain.event import Severity
from console.domain.metric import MetricSpec
from console.domain.text import printable
from console.located import Table, read
from console.rules.names import PREFIXES
from console.rules.parser import Parsed, Slip, parse, suggested
from console.rules.rule import Rule
from console.rules.source import Source, Way

SHIPPED = Path(__file__).resolve().parent.parent / "defaults" / "alert_rules.yaml"
CUSTOM = "CUSTOM"
"""The type of a rule that has none."""
GROUPS = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)
_TOP = "alert_rules"
_KEYS = (
    "name", "condition", "severity", "action", "notification", "type", "for", "keep_firing_for", "runbook",
)  # fmt: skip
_REQUIRED = ("name", "condition", "severity", "action")
_LONGEST_NAME = 120
_RESERVED = re.compile("|".join(PREFIXES), re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words that a rule may use. `types` gives the type of a rule by its name."""

    verbs: frozenset[str]
    channels: frozenset[str]
    types: Mapping[str, str]


def load(
    path: Path, *, specs: Mapping[str, MetricSpec], vocabulary: Vocabulary, time_scale: float = 1.0
) -> tuple[Rule, ...]:
    """The rules of a file in their order, durations divided by `time_scale`.

    Raises Misuse whose first line says everything, `FILE:LINE:COLUMN: what is wrong`; where there is a line to show,
    that and a line of carets follow.
    """
    return _Reader(path, specs, vocabulary, time_scale).rules()


class _Reader:
    def __init__(
        self, file: Path, specs: Mapping[str, MetricSpec], vocabulary: Vocabulary, time_scale: float
    ) -> None:
        self._file = file
        self._specs = specs
        self._words = vocabulary
        self._scale = time_scale
        self._types = {*vocabulary.types.values(), CUSTOM}
        self._names: dict[str, str] = {}

    def rules(self) -> tuple[Rule, ...]:
        top = read(self._file)
        self._only((), top, (_TOP,), "section")
        groups = top.get(_TOP)
        if not isinstance(groups, Table):
            self._fail((_TOP,), f"expected {_TOP}: with the groups {', '.join(GROUPS)}")
        self._only((_TOP,), groups, GROUPS, "group")
        found: list[Rule] = []
        for group, entries in groups.items():
            way = (_TOP, group)
            if entries is not None and not isinstance(entries, list):
                self._fail(way, f"expected a list of rules, not {_shown(entries)}")
            for i, entry in enumerate(entries or ()):
                if not isinstance(entry, Table):
                    self._fail((*way, i), f"expected a rule with name and condition, not {_shown(entry)}")
                found.append(self._rule((*way, i), entry, Severity(group)))
        return tuple(found)

    def _rule(self, way: Way, entry: Table, group: Severity) -> Rule:
        self._only(way, entry, _KEYS, "key of a rule")
        missing = [key for key in _REQUIRED if entry.get(key) is None]
        if missing:
            self._fail((*way, missing[0]) if missing[0] in entry else way, f"{missing[0]} is missing")
        name = self._name((*way, "name"), entry)
        severity = self._text((*way, "severity"), entry)
        if severity != group:
            near = suggested(severity, GROUPS) if severity not in set(GROUPS) else ""
            self._fail((*way, "severity"), f"expected {group}, the group it is in, not {severity}{near}")
        parsed = self._condition((*way, "condition"), entry)
        return Rule(
            name=name,
            severity=group,
            condition=parsed.condition,
            text=" ".join(printable(entry["condition"].strip().replace("\n", " "), 1000).split()),
            type=self._type((*way, "type"), entry, name),
            action=self._word((*way, "action"), entry["action"], self._words.verbs, "action"),
            channels=self._channels((*way, "notification"), entry),
            for_=self._span((*way, "for"), entry, parsed.for_),
            keep_firing_for=self._span((*way, "keep_firing_for"), entry, parsed.keep_firing_for),
            runbook=printable(self._text((*way, "runbook"), entry)) if "runbook" in entry else "",
            where=entry.place(),
        )

    def _name(self, way: Way, entry: Table) -> str:
        name = self._text(way, entry)
        if printable(name, _LONGEST_NAME) != name or name != name.strip():
            self._fail(way, f"expected a printable name of at most {_LONGEST_NAME} characters")
        if match := _RESERVED.match(name):
            self._fail(way, f"names that begin with {match[0]} belong to rules that no file declares")
        if name in self._names:
            self._fail(way, f"there is a rule {name} already, at {self._names[name]}")
        self._names[name] = entry.place("name")
        return name

    def _condition(self, way: Way, entry: Table) -> Parsed:
        text = self._text(way, entry)
        try:
            return parse(text, self._specs)
        except Slip as slip:
            self._source().slip(way, slip)

    def _type(self, way: Way, entry: Table, name: str) -> str:
        if "type" not in entry:
            return self._words.types.get(name, CUSTOM)
        return self._word(way, entry["type"], self._types, "type")

    def _channels(self, way: Way, entry: Table) -> tuple[str, ...]:
        if "notification" not in entry:
            return ()
        listed = entry["notification"]
        if not isinstance(listed, list):
            self._fail(way, f"expected a list such as [slack, email], not {_shown(listed)}")
        found: list[str] = []
        for i, channel in enumerate(listed):
            word = self._word((*way, i), channel, self._words.channels, "channel")
            if word in found:
                self._fail((*way, i), f"{word} is there twice")
            found.append(word)
        return tuple(found)

    def _span(self, way: Way, entry: Table, behind: timedelta | None) -> timedelta:
        """A duration that stands as a key or behind the condition."""
        key = str(way[-1])
        if key not in entry:
            return (behind or timedelta()) / self._scale
        if behind is not None:
            self._fail(way, f"{key} stands behind the condition already: expected only one of them", key=True)
        value = entry[key]
        span = duration.parse(value) if isinstance(value, str) else None
        if span is None:
            self._fail(way, f"{key}: expected {duration.EXPECTED}, at most 366 days, not {_shown(value)}")
        return span / self._scale

    def _text(self, way: Way, entry: Table) -> str:
        value = entry[str(way[-1])]
        if not isinstance(value, str) or not value.strip():
            self._fail(way, f"{way[-1]}: expected a text, not {_shown(value)}")
        return value

    def _word(self, way: Way, value: Any, known: Iterable[str], what: str) -> str:
        words = sorted(known)
        if not isinstance(value, str):
            self._fail(way, f"expected {what}s such as {', '.join(words[:3])}, not {_shown(value)}")
        if value not in words:
            self._fail(way, f"no such {what}: {printable(value, 60)}{suggested(value, words)}")
        return value

    def _only(self, way: Way, table: Table, known: Iterable[str], what: str) -> None:
        words = sorted(known)
        for key in table:
            if key not in words:
                self._fail(
                    (*way, key), f"no such {what}: {printable(key, 60)}{suggested(key, words)}", key=True
                )

    def _fail(self, way: Way, problem: str, *, key: bool = False) -> NoReturn:
        self._source().fail(way, problem, key=key)

    def _source(self) -> Source:
        """The file's text, read again to show a place in it."""
        try:
            return Source(self._file)
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            raise Misuse(f"{self._file}: changed while it was read") from None


def _shown(value: Any) -> str:
    if isinstance(value, Table):
        return "a mapping"
    return "a list" if isinstance(value, list) else "nothing" if value is None else printable(repr(value), 60)
