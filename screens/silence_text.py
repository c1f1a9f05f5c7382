"""What a silence is made of in its dialog: a length, what it would match, what it begins with. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from console.domain import duration
from console.domain.alert import OPERATORS, Alert, Matcher
from console.domain.errors import Misuse
from console.domain.log_lines import compiled
from console.domain.text import printable
from screens.patience import TookTooLong, at_most

LONGEST = timedelta(days=30)
_PATIENCE_S = 0.1
_UNTIL = re.compile(r"(?:until\s+)?([01]?\d|2[0-3]):([0-5]\d)")
_SPECIAL = re.compile(r"([.^$*+?{}\[\]\\|()])")


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


def matching(alerts: Iterable[Alert], wanted: Sequence[Matcher]) -> list[Alert]:
    """The alerts that all of `wanted` match; regular expressions must match the whole value.

    A preview: the store decides, with regular expressions of its own. Raises Misuse for one that is none, or takes too
    long.
    """
    tests = [(m.label, m.op, m.value, _pattern(m)) for m in wanted]

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


def _pattern(matcher: Matcher) -> re.Pattern[str] | None:
    if "~" not in matcher.op:
        return None
    try:
        return compiled(matcher.value)
    except Misuse as error:
        raise Misuse(f"{matcher.label}: {error}") from None


def for_rules(rules: Sequence[str]) -> tuple[Matcher, ...]:
    """The matcher that a silence of these rules begins with."""
    names = list(dict.fromkeys(rules))
    if len(names) == 1:
        return (Matcher("rule", OPERATORS[0], names[0]),)
    return (Matcher("rule", "=~", "|".join(_SPECIAL.sub(r"\\\1", name) for name in names)),)
