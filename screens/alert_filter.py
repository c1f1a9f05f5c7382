"""What is typed to narrow a list of alerts. Pure.

Words that all must be in an alert's rule, title, type, metric, state or severity; `state:firing` looks in one of
them only, `!word` and `!state:firing` leave out what matches.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from console.domain.alert import Alert, AlertState

FIELDS: dict[str, Callable[[Alert], str]] = {
    "rule": lambda alert: alert.rule,
    "severity": lambda alert: str(alert.severity),
    "state": lambda alert: _STATES.get(alert.state, str(alert.state)),
    "type": lambda alert: alert.type,
    "metric": lambda alert: alert.metric or "",
    "who": lambda alert: f"{alert.acknowledged_by or ''} {alert.silenced_by or ''}",
}
_STATES = {AlertState.ACKNOWLEDGED: "acked acknowledged"}


@dataclass(frozen=True, slots=True)
class Term:
    """One word; `field` is "" for all of them."""

    field: str
    word: str
    absent: bool


def terms(text: str) -> tuple[Term, ...]:
    """The words of `text`; what stands before a colon is a field only if it is the name of one."""
    found = []
    for raw in text.lower().split():
        absent = raw.startswith("!")
        word = raw.lstrip("!")
        field, colon, rest = word.partition(":")
        if colon and field in FIELDS:
            found.append(Term(field, rest, absent))
        elif word:
            found.append(Term("", word, absent))
    return tuple(term for term in found if term.word)


def matches(alert: Alert, wanted: Sequence[Term], title: str = "") -> bool:
    """Whether all terms hold; `title` is what the list calls the alert."""
    if not wanted:
        return True
    every = ""
    for term in wanted:
        if term.field:
            hay = FIELDS[term.field](alert)
        else:
            every = every or "\n".join((title, *(read(alert) for read in FIELDS.values())))
            hay = every
        if (term.word in hay.lower()) is term.absent:
            return False
    return True
