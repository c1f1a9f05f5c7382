"""When recurring checklists are due: an RRULE gives the days, and a time of day in a zone the moment. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice, pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from console.domain import duration
from console.domain.book import Checklist
from console.domain.duties import Occurrence
from console.domain.text import printable

if TYPE_CHECKING:
    from dateutil.rrule import rrule

# What `every second week` counts from: a Monday, the first day of a month, a leap year, and of the four years.
_ANCHOR = datetime(2024, 1, 1)  # noqa: DTZ001 - a day of the calendar, in whatever zone
_DAY = "(?:MO|TU|WE|TH|FR|SA|SU)"
_LONG = ("MONTHLY", "YEARLY")
# Of each part: what it may be, and the frequencies that it makes sense with (all where there are none).
_PARTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "FREQ": ("DAILY|WEEKLY|MONTHLY|YEARLY", ()),
    "INTERVAL": ("[1-9][0-9]?|[12][0-9]{2}|3[0-5][0-9]|36[0-6]", ()),
    "BYDAY": (rf"(?:[+-]?[1-5]?[0-9])?{_DAY}(?:,(?:[+-]?[1-5]?[0-9])?{_DAY})*", ()),
    "BYMONTHDAY": (r"-?(?:[1-9]|[12][0-9]|3[01])(?:,-?(?:[1-9]|[12][0-9]|3[01]))*", ()),
    "BYMONTH": (r"(?:[1-9]|1[0-2])(?:,(?:[1-9]|1[0-2]))*", ()),
    "BYSETPOS": (r"-?[1-9][0-9]{0,2}(?:,-?[1-9][0-9]{0,2})*", _LONG),
    "BYYEARDAY": (r"-?[1-9][0-9]{0,2}(?:,-?[1-9][0-9]{0,2})*", ("YEARLY",)),
    "BYWEEKNO": (r"-?[1-5]?[0-9](?:,-?[1-5]?[0-9])*", ("YEARLY",)),
    "UNTIL": (r"2[0-9]{3}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])", ()),
    "WKST": (_DAY, ()),
}
_NOT_HERE = {
    "COUNT": "COUNT has nothing to count from: expected UNTIL=YYYYMMDD",
    "BYHOUR": "the time of day is `at`",
    "BYMINUTE": "the time of day is `at`",
    "BYSECOND": "the time of day is `at`",
    "DTSTART": "a list has no first day: it begins when it is first read",
}
_DAYS_OF = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# So many occurrences in a row tell whether each has ended when the next one opens.
_LOOKED_AT = 40


def check(checklist: Checklist) -> None:
    """Raises ValueError with words for a rule, a zone or a time that says nothing, a rule that never comes, and for a
    list that opens again before the one before it could be late."""
    at, _ = _time(checklist.at), _zone(checklist.timezone)
    days = list(islice(_rule(checklist.rule), _LOOKED_AT))
    if not days:
        raise ValueError(f"{printable(checklist.rule, 200)} never comes")
    most = min((after - before - checklist.grace for before, after in pairwise(days)), default=None)
    if checklist.opens < timedelta() or checklist.grace < timedelta():
        raise ValueError(f"a list opens before {at:%H:%M}, when it is due, and is late after it")
    if most is not None and checklist.opens > most:
        between = min(after - before for before, after in pairwise(days))
        raise ValueError(
            f"it is due again after {duration.written(between)}, and opens {duration.written(checklist.opens)} before: "
            f"the one before it could not be late ({duration.written(checklist.grace)} after it is due) any more"
        )


def after(checklist: Checklist, day: date) -> Iterator[Occurrence]:
    """All occurrences on days after `day`, of the list's own zone, in their order; without an end where the rule has
    none. Raises ValueError as `check`, but for the last."""
    at, zone = _time(checklist.at), _zone(checklist.timezone)
    start = datetime.combine(day, time())
    for found in _rule(checklist.rule).xafter(start):
        # Of a time that the clocks skip, this is as much later; of one that comes twice, the first.
        due = datetime.combine(found.date(), at, zone).astimezone(UTC)
        yield Occurrence(found.date(), due - checklist.opens, due, due + checklist.grace)


def between(checklist: Checklist, start: datetime, end: datetime) -> list[Occurrence]:
    """Those that are due in (start, end]. Raises ValueError as `after`."""
    found = []
    for each in after(checklist, start.astimezone(_zone(checklist.timezone)).date() - timedelta(days=2)):
        if each.due_at > end:
            break
        if each.due_at > start:
            found.append(each)
    return found


def day_of(checklist: Checklist, moment: datetime) -> date:
    """The day that this moment has in the list's own zone. Raises ValueError."""
    return moment.astimezone(_zone(checklist.timezone)).date()


@lru_cache(maxsize=256)
def _rule(text: str) -> rrule:
    """The days of a rule, from the anchor on."""
    parts: dict[str, str] = {}
    for part in text.removeprefix("RRULE:").split(";"):
        name, _, value = part.partition("=")
        if name in _NOT_HERE:
            raise ValueError(_NOT_HERE[name])
        if name not in _PARTS or name in parts:
            known = "is there twice" if name in parts else f"expected {', '.join(_PARTS)}"
            raise ValueError(f"no rule (RFC 5545): {printable(part, 60) or 'nothing'}; {known}")
        if not re.fullmatch(_PARTS[name][0], value, re.ASCII):
            known = "; expected DAILY, WEEKLY, MONTHLY or YEARLY" if name == "FREQ" else ""
            raise ValueError(f"no such {name}: {printable(value, 60) or 'nothing'}{known}")
        parts[name] = value
    often = parts.get("FREQ")
    if often is None:
        raise ValueError("expected FREQ=DAILY, WEEKLY, MONTHLY or YEARLY in the rule")
    for name in parts:
        if _PARTS[name][1] and often not in _PARTS[name][1]:
            raise ValueError(f"{name} goes with FREQ={' or '.join(_PARTS[name][1])}, not with {often}")
    if often not in _LONG and re.search("[0-9]", parts.get("BYDAY", "")):
        raise ValueError(f"a number before a weekday goes with FREQ={' or '.join(_LONG)}, not with {often}")
    # A search for a day that no month has would go through 8,000 years of days.
    months = [int(month) for month in parts.get("BYMONTH", "").split(",") if month] or range(1, 13)
    days = [abs(int(each)) for each in parts.get("BYMONTHDAY", "1").split(",")]
    if min(days) > max(_DAYS_OF[month - 1] for month in months):
        raise ValueError(f"{printable(text, 200)} never comes")
    from dateutil.rrule import rrulestr

    try:
        made = rrulestr(";".join(f"{name}={value}" for name, value in parts.items()), dtstart=_ANCHOR)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"no rule (RFC 5545): {printable(text, 200)}: {printable(error, 100)}") from None
    return made  # pyright: ignore[reportReturnType]


def _time(text: str) -> time:
    try:
        return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - the zone is another key
    except ValueError:
        raise ValueError(f"expected a time of day such as 09:00, not {printable(text, 20)}") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise ValueError(
            f"no such time zone: {printable(name, 60)}; expected one such as Europe/London"
        ) from None
