"""alerting.yaml: the words of rules, what inhibits what, timings, and what is diagnosed. The shipped file, with an
installation's own merged over it entry by entry."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from console.domain import duration
from console.domain.text import printable
from console.located import Table, merged, read
from console.rules.file import Vocabulary
from console.rules.inhibition import LABELS, Inhibition, Term

SHIPPED = Path(__file__).resolve().parent.parent / "defaults" / "alerting.yaml"
_SECTIONS = ("verbs", "incidents", "channels", "types", "timings", "inhibitions", "diagnoses")
_KINDS = ("errors", "performance")
_TIMINGS = ("lookback", "flap_window", "acknowledgement_idle", "collection_for")


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """Which alerts get a diagnosis of one kind: those with one of these actions, or on a metric like these."""

    kind: str
    actions: frozenset[str]
    metrics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Alerting:
    """The file's content. `verbs` and `channels` are explained in words; durations are the clock's. `incidents` are the
    verbs that open one, each with the runbook of an alert that no runbook names ("": none)."""

    vocabulary: Vocabulary
    verbs: Mapping[str, str]
    incidents: Mapping[str, str]
    channels: Mapping[str, str]
    inhibitions: tuple[Inhibition, ...]
    lookback: timedelta
    flap_window: timedelta
    acknowledgement_idle: timedelta
    collection_for: timedelta
    diagnoses: tuple[Diagnosed, ...]

    def diagnosis(self, action: str, metrics: Iterable[str]) -> str | None:
        """The kind of diagnosis (of diagnosis.yaml), or None, for an alert whose rule has this action and reads these
        metrics."""
        names = sorted(metrics)
        for each in self.diagnoses:
            if action in each.actions:
                return each.kind
        for each in self.diagnoses:
            if any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in each.metrics):
                return each.kind
        return None


def load(path: Path | None = None, *, time_scale: float = 1.0) -> Alerting:
    """The shipped file with `path` merged over it, durations divided by `time_scale`. Raises Misuse with file and
    line."""
    whole = _layers(path)
    verbs, channels, types = (_words(whole.table(section)) for section in ("verbs", "channels", "types"))
    timings = whole.table("timings")
    spans = {key: _span(timings, key) / time_scale for key in _TIMINGS}
    return Alerting(
        vocabulary=Vocabulary(frozenset(verbs), frozenset(channels), types),
        verbs=verbs,
        incidents=_openers(whole.table("incidents"), verbs),
        channels=channels,
        inhibitions=tuple(_inhibition(name, table) for name, table in _entries(whole.table("inhibitions"))),
        diagnoses=tuple(_diagnosed(kind, table) for kind, table in _entries(whole.table("diagnoses"))),
        **spans,
    )


def _layers(path: Path | None) -> Table:
    whole = _read(SHIPPED)
    if path is None:
        return whole
    own = _read(path)
    for section in own:
        whole[section] = merged(whole.table(section), own.table(section))
    return whole


def _read(path: Path) -> Table:
    whole = read(path)
    whole.only(_SECTIONS, "section")
    if "timings" in whole:
        whole.table("timings").only(_TIMINGS, "timing")
    if "diagnoses" in whole:
        whole.table("diagnoses").only(_KINDS, "kind of diagnosis")
    return whole


def _words(table: Table) -> dict[str, str]:
    found = {name: table.text(name) for name in table}
    for name, text in found.items():
        if printable(name, 100) != name or printable(text, 1000) != text:
            table.fail(name, "printable text")
    return found


def _openers(table: Table, verbs: Iterable[str]) -> dict[str, str]:
    table.only(verbs, "verb")
    found = dict(_entries(table))
    for entry in found.values():
        entry.only(("runbook",), "key of a verb that opens an incident")
    return {verb: printable(entry.text("runbook", ""), 100) for verb, entry in found.items()}


def _entries(table: Table) -> list[tuple[str, Table]]:
    """All but those that are taken away."""
    return [(name, table.table(name)) for name in table if table[name] is not None]


def _span(table: Table, key: str) -> timedelta:
    span = duration.parse(table.text(key))
    if not span:
        table.fail(key, duration.EXPECTED)
    return span


def _inhibition(name: str, table: Table) -> Inhibition:
    table.only(("reason", "source", "target"), "key of an inhibition")
    reason = printable(table.text("reason", name))
    return Inhibition(printable(name), _terms(table, "source"), _terms(table, "target"), reason)


def _terms(table: Table, key: str) -> tuple[Term, ...]:
    listed = table.get(key)
    terms = listed if isinstance(listed, list) else [listed]
    if not terms:
        table.fail(key, "at least one mapping of labels to patterns")
    return tuple(_term(table, key, term) for term in terms)


def _term(table: Table, key: str, term: object) -> Term:
    if not isinstance(term, Table) or not term:
        table.fail(key, "labels with patterns, such as {rule: threshold:*}")
    term.only(LABELS, "label")
    return Term(tuple((label, _patterns(term, label)) for label in term))


def _patterns(table: Table, key: str) -> tuple[str, ...]:
    listed = table[key]
    patterns = listed if isinstance(listed, list) else [listed]
    if not patterns or not all(isinstance(p, str) and 0 < len(p) <= 200 for p in patterns):
        table.fail(key, "a text or a list of texts")
    return tuple(patterns)


def _diagnosed(kind: str, table: Table) -> Diagnosed:
    table.only(("actions", "metrics"), "key of a diagnosis")
    actions, metrics = (_patterns(table, key) if key in table else () for key in ("actions", "metrics"))
    return Diagnosed(kind, frozenset(actions), metrics)
