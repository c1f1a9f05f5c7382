"""How checklists went, in words on the command line."""

from datetime import UTC, datetime, timedelta

from console.cli.checklist_words import strip_lines
from console.domain.duties import Past, record

NOW = datetime(2026, 3, 14, 3, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def _past(id: int, due: datetime, ended: datetime | None, *, missed: bool = False) -> Past:
    return Past(id, "x", due, due + timedelta(hours=1), ended, missed, 1, 2)


def test_what_is_over_its_time_is_late_as_on_the_screen() -> None:
    runs = [
        *(_past(1, NOW - 4 * DAY, NOW - 5 * DAY), _past(2, NOW - 3 * DAY, NOW - DAY)),
        *(_past(3, NOW - 2 * DAY, None, missed=True), _past(4, NOW - DAY, None), _past(5, NOW + DAY, None)),
    ]
    first, legend = strip_lines({"x": "X"}, runs, {"x": record(runs, NOW)}, NOW)
    assert first.startswith("X  ■ ▲ ✗ ▲ ►   ") and "▲ late" in legend
