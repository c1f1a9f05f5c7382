"""What a person types into a silence: matchers and a length. Pure; what is wrong is said as Misuse."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from console.domain import duration
from console.domain.alert import LABELS, OPERATORS, Alert, Matcher
from console.domain.errors import Misuse
from console.domain.log_lines import compiled
from console.domain.text import printable
from screens.patience import TookTooLong, at_most

LONGEST = timedelta(days=30)
_PATIENCE_S = 0.1
_UNTIL = re.compile(r"(?:until\s+)?([01]?\d|2[0-3]):([0-5]\d)")
_SPECIAL = re.compile(r"([.^$*+?{}\[\]\\|()])")
_MATCHER = re.compile(r'\s*(\w+)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$|(?=\s\w))')


def length(text: str, now: datetime) -> timedelta:
    """`30m`, `2h`, `1h30m`, `1d`; `until 06:00` or `06:00` is the next time that it is six o'clock in UTC.

    Raises Misuse for anything else, for nothing, and for more than thirty days.
    """
    wanted = text.strip().lower()
    clock = _UNTIL.fullmatch(wanted)
    if clock is not None:
        at = now.astimezone(UTC).replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
        return at - now if at > now else at + timedelta(days=1) - now
    span = duration.parse(wanted)
    if not span:
        raise Misuse(
            f"length {printable(text.strip(), 30) or 'is empty'}: expected 30m, 2h, 1d or until 06:00"
        )
    if span > LONGEST:
        raise Misuse("a silence lasts at most 30 days")
    return span


def matchers(text: str) -> tuple[Matcher, ...]:
    """`rule="High Error Rate" severity=critical`, separated by blanks or commas; raises Misuse."""
    found: list[Matcher] = []
    place, wanted = 0, text.strip()
    while place < len(wanted):
        part = _MATCHER.match(wanted, place)
        if part is None:
            raise Misuse(f'expected LABEL="VALUE" at: {printable(wanted[place:], 30)}')
        if part[1] not in LABELS:
            raise Misuse(f"no label is called {part[1]}: there are {', '.join(LABELS)}")
        value = part[4] if part[3] is None else re.sub(r'\\(["\\])', r"\1", part[3])
        if part[2] in ("=~", "!~"):
            try:
                compiled(value)
            except Misuse as error:
                raise Misuse(f"{part[1]}: {error}") from None
        found.append(Matcher(part[1], part[2], value))
        place = part.end()
    if not found:
        raise Misuse("at least one matcher is needed: a silence of everything hides everything")
    return tuple(found)


def written(wanted: Iterable[Matcher]) -> str:
    """The text that `matchers` reads."""
    return " ".join(f'{m.label}{m.op}"{_quoted(m.value)}"' for m in wanted)


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def matching(alerts: Iterable[Alert], wanted: Sequence[Matcher]) -> list[Alert]:
    """The alerts that all of `wanted` match; regular expressions must match the whole value.

    A preview: the store decides, with regular expressions of its own. Raises Misuse for one that is none, or takes too
    long.
    """
    tests = [(m.label, m.op, m.value, compiled(m.value) if "~" in m.op else None) for m in wanted]

    def matched(labels: Mapping[str, str]) -> bool:
        for label, op, value, pattern in tests:
            equal = (
                labels[label] == value if pattern is None else pattern.fullmatch(labels[label]) is not None
            )
            if equal is op.startswith("!"):
                return False
        return True

    try:
        with at_most(_PATIENCE_S):
            return [alert for alert in alerts if matched(alert.labels())]
    except TookTooLong:
        raise Misuse("this regular expression takes too long") from None


def for_rules(rules: Sequence[str]) -> tuple[Matcher, ...]:
    """The matcher that a silence of these rules begins with."""
    names = list(dict.fromkeys(rules))
    if len(names) == 1:
        return (Matcher("rule", OPERATORS[0], names[0]),)
    return (Matcher("rule", "=~", "|".join(_SPECIAL.sub(r"\\\1", name) for name in names)),)
