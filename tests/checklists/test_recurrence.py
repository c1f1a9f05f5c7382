"""When checklists are due: tables of moments, over everything that clocks and calendars do."""

from datetime import date, timedelta
from itertools import pairwise

import pytest

from console.runbooks import recurrence
from tests.checklists.lists import at, daily

BERLIN, NEW_YORK, TOKYO = "Europe/Berlin", "America/New_York", "Asia/Tokyo"

# rule, time of day, zone, from, until, the moments in UTC.
DUE: list[tuple[str, str, str, str, str, list[str]]] = [
    ("FREQ=DAILY", "09:00", "UTC", "2026-03-10 09:00", "2026-03-12 09:00", ["03-11 09:00", "03-12 09:00"]),
    # Daylight saving begins on 29 March 2026 and ends on 25 October 2026 in Berlin.
    ("FREQ=DAILY", "09:00", BERLIN, "2026-03-28 00:00", "2026-03-31 00:00",
     ["03-28 08:00", "03-29 07:00", "03-30 07:00"]),
    ("FREQ=DAILY", "09:00", BERLIN, "2026-10-24 00:00", "2026-10-27 00:00",
     ["10-24 07:00", "10-25 08:00", "10-26 08:00"]),
    # 02:30 is skipped there on that day: it is 03:30 then. In October it comes twice: the first one counts.
    ("FREQ=DAILY", "02:30", BERLIN, "2026-03-28 00:00", "2026-03-31 00:00",
     ["03-28 01:30", "03-29 01:30", "03-30 00:30"]),
    ("FREQ=DAILY", "02:30", BERLIN, "2026-10-24 00:00", "2026-10-27 00:00",
     ["10-24 00:30", "10-25 00:30", "10-26 01:30"]),
    ("FREQ=DAILY", "00:30", "America/Havana", "2026-03-07 12:00", "2026-03-10 00:00", ["03-08 05:30", "03-09 04:30"]),
    # Far from Greenwich the day is another one.
    ("FREQ=WEEKLY;BYDAY=MO", "08:00", TOKYO, "2026-03-01 00:00", "2026-03-17 00:00",
     ["03-01 23:00", "03-08 23:00", "03-15 23:00"]),
    ("FREQ=WEEKLY;BYDAY=MO", "20:00", NEW_YORK, "2026-03-01 00:00", "2026-03-17 12:00",
     ["03-03 01:00", "03-10 00:00", "03-17 00:00"]),
    ("FREQ=DAILY", "12:00", "Pacific/Kiritimati", "2026-03-09 00:00", "2026-03-11 00:00",
     ["03-09 22:00", "03-10 22:00"]),
    # Ends of months.
    ("FREQ=MONTHLY;BYMONTHDAY=31", "09:00", "UTC", "2026-01-01 00:00", "2026-08-01 00:00",
     ["01-31 09:00", "03-31 09:00", "05-31 09:00", "07-31 09:00"]),
    ("FREQ=MONTHLY;BYMONTHDAY=-1", "09:00", "UTC", "2026-01-15 00:00", "2026-05-01 00:00",
     ["01-31 09:00", "02-28 09:00", "03-31 09:00", "04-30 09:00"]),
    ("FREQ=MONTHLY;BYMONTHDAY=-1", "23:30", NEW_YORK, "2026-02-01 12:00", "2026-04-02 00:00",
     ["03-01 04:30", "04-01 03:30"]),
    ("FREQ=MONTHLY", "09:00", "UTC", "2026-01-15 00:00", "2026-03-15 00:00", ["02-01 09:00", "03-01 09:00"]),
    ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1", "14:00", "UTC", "2026-01-15 00:00", "2026-05-02 00:00",
     ["02-02 14:00", "03-02 14:00", "04-01 14:00", "05-01 14:00"]),
    ("FREQ=MONTHLY;BYDAY=-1FR", "09:00", "UTC", "2026-01-15 00:00", "2026-03-01 00:00", ["01-30 09:00", "02-27 09:00"]),
    # Leap days.
    ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", "09:00", "UTC", "2027-01-01 00:00", "2033-01-01 00:00",
     ["2028-02-29 09:00", "2032-02-29 09:00"]),
    ("FREQ=MONTHLY;BYMONTHDAY=-1;BYMONTH=2", "09:00", "UTC", "2027-01-01 00:00", "2029-01-01 00:00",
     ["2027-02-28 09:00", "2028-02-29 09:00"]),
    ("FREQ=YEARLY;BYYEARDAY=-1", "09:00", "UTC", "2026-01-01 00:00", "2027-01-01 00:00", ["12-31 09:00"]),
    # Every second week is counted from one Monday for all.
    ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO", "09:00", "UTC", "2026-03-01 00:00", "2026-04-10 00:00",
     ["03-09 09:00", "03-23 09:00", "04-06 09:00"]),
    ("RRULE:FREQ=DAILY;UNTIL=20260311", "09:00", "UTC", "2026-03-09 10:00", "2027-03-12 00:00",
     ["03-10 09:00", "03-11 09:00"]),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "time", "zone", "start", "end", "expected"), DUE)
def test_due_moments(rule: str, time: str, zone: str, start: str, end: str, expected: list[str]) -> None:
    wanted = [at(each if each.startswith("20") else f"2026-{each}") for each in expected]
    checklist = daily(rule=rule, at=time, timezone=zone, opens=timedelta(hours=1))
    recurrence.check(checklist)
    found = recurrence.between(checklist, at(start), at(end))
    assert [each.due_at for each in found] == wanted
    assert all(o.opens_at == o.due_at - checklist.opens for o in found)
    assert all(o.late_at == o.due_at + checklist.grace for o in found)
    assert [o.day for o in found] == sorted({o.day for o in found})


def test_a_day_is_that_of_the_zone() -> None:
    (found,) = recurrence.between(
        daily(rule="FREQ=WEEKLY;BYDAY=MO", at="08:00", timezone=TOKYO),
        at("2026-03-08 00:00"),
        at("2026-03-09 00:00"),
    )
    assert (found.day, found.due_at) == (date(2026, 3, 9), at("2026-03-08 23:00"))


BAD = [
    ({"rule": ""}, "no rule (RFC 5545): nothing; expected FREQ, INTERVAL"),
    ({"rule": "FREQ=SOMETIMES"}, "no such FREQ: SOMETIMES"),
    ({"rule": "FREQ=HOURLY"}, "no such FREQ: HOURLY; expected DAILY, WEEKLY, MONTHLY or YEARLY"),
    ({"rule": "INTERVAL=2"}, "expected FREQ=DAILY, WEEKLY, MONTHLY or YEARLY"),
    ({"rule": "FREQ=DAILY;FREQ=DAILY"}, "FREQ=DAILY; is there twice"),
    ({"rule": "FREQ=DAILY;INTERVAL=0"}, "no such INTERVAL: 0"),
    ({"rule": "FREQ=DAILY;INTERVAL=99999999"}, "no such INTERVAL: 99999999"),
    ({"rule": "FREQ=DAILY;COUNT=3"}, "COUNT has nothing to count from"),
    ({"rule": "FREQ=DAILY;BYHOUR=3"}, "the time of day is `at`"),
    ({"rule": "FREQ=DAILY\nDTSTART:20260101T000000"}, "no such FREQ"),
    ({"rule": "FREQ=WEEKLY;BYDAY=XX"}, "no such BYDAY: XX"),
    ({"rule": "FREQ=WEEKLY;BYDAY=2MO"}, "a number before a weekday goes with"),
    ({"rule": "FREQ=DAILY;BYSETPOS=40"}, "BYSETPOS goes with FREQ=MONTHLY or YEARLY, not with DAILY"),
    ({"rule": "FREQ=DAILY;BYMONTHDAY=0"}, "no such BYMONTHDAY: 0"),
    ({"rule": "FREQ=DAILY;BYMONTHDAY=45"}, "no such BYMONTHDAY: 45"),
    ({"rule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}, "never comes"),
    ({"rule": "FREQ=YEARLY;BYMONTH=4;BYYEARDAY=1"}, "never comes"),
    ({"rule": "FREQ=DAILY;UNTIL=20270101T000000Z"}, "no such UNTIL"),
    ({"rule": "FREQ=DAILY;UNTIL=20270231"}, "no rule (RFC 5545): FREQ=DAILY;UNTIL=20270231"),
    ({"rule": "FREQ=DAILY;EVERY=2\x1b[2J"}, "no rule (RFC 5545): EVERY=2␛[2J"),
    ({"timezone": "Mars/Olympus"}, "no such time zone: Mars/Olympus"),
    ({"timezone": "../etc/passwd"}, "no such time zone"),
    ({"timezone": ""}, "no such time zone"),
    ({"at": "25:00"}, "expected a time of day such as 09:00, not 25:00"),
    ({"opens": timedelta(hours=23)}, "it is due again after 1d, and opens 23h before"),
]


@pytest.mark.parametrize(("changes", "words"), BAD)
def test_what_says_nothing_is_told_in_words(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError) as told:
        recurrence.check(daily(**changes))
    assert words in str(told.value) and "\n" not in str(told.value)


def test_what_comes_is_found_however_late_it_is() -> None:
    far = recurrence.after(daily(rule="FREQ=DAILY;INTERVAL=3"), date(2099, 12, 30))
    days = [next(far).day for _ in range(3)]
    assert [(b - a).days for a, b in pairwise(days)] == [3, 3]
    assert days[0] > date(2099, 12, 30)
