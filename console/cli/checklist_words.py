"""How checklists are told on the command line: their JSON, their tables, and their history as Markdown and CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from console.cli.tables import csv_cell, table
from console.domain.book import Checklist, Marked
from console.domain.duties import Past, Record, Run, RunState, Standing
from console.domain.format import NO_VALUE, age, iso, iso_or_none

if TYPE_CHECKING:
    from rich.table import Table

_GLYPH = {
    RunState.OPEN: "►",
    RunState.DUE: "►",
    RunState.OVERDUE: "▲",
    RunState.DONE: "✓",
    RunState.LATE: "▲",
    RunState.MISSED: "✗",
}
_STYLE = {
    RunState.DUE: "yellow",
    RunState.OVERDUE: "bold red",
    RunState.DONE: "green",
    RunState.LATE: "yellow",
    RunState.MISSED: "red",
}
_STRIP = {RunState.DONE: "■", RunState.LATE: "▲", RunState.OVERDUE: "▲", RunState.MISSED: "✗"}
LEGEND = "■ on time   ▲ late   ✗ missed   ► to be done"
_BOX = {"done": "✓", "skipped": "–", "open": " "}
_COLUMNS = ("checklist", "due_at", "state", "ended_at", "item", "text", "item_state", "by", "at", "note")


def when(at: datetime | None) -> str:
    """`10 Mar 09:00` in UTC; a dash for never."""
    return NO_VALUE if at is None else f"{at.astimezone(UTC):%d %b %H:%M}"


def percent(record: Record) -> str:
    """`82 %`; a dash where nothing is over yet."""
    return NO_VALUE if record.on_time_pct is None else f"{record.on_time_pct:.0f} %"


# --- JSON -------------------------------------------------------------------------------------------------------------


def item_json(item: Marked) -> dict[str, Any]:
    """The documented shape of one item of a run."""
    mark = item.mark
    return {
        "id": item.place,
        "state": state_of(item),
        "at": None if mark is None else iso(mark.at),
        "text": item.step.text,
        "by": None if mark is None else mark.by,
        "note": (mark.note or None) if mark is not None else None,
        "automatic": item.step.automatic,
        "waits": item.waits or None,
    }


def run_json(run: Run, now: datetime) -> dict[str, Any]:
    """The documented shape of one run, with its items."""
    return {
        "id": run.id,
        "state": str(run.state(now)),
        "at": iso(run.due_at),
        "checklist": run.checklist,
        "title": run.title,
        "rhythm": run.rhythm,
        "owner": run.owner or None,
        "opens_at": iso(run.opens_at),
        "due_at": iso(run.due_at),
        "late_at": iso(run.late_at),
        "ended_at": iso_or_none(run.ended_at),
        "done": run.done,
        "total": len(run.items),
        "items": [item_json(item) for item in run.items],
    }


def coming_json(standing: Standing, coming: Checklist) -> dict[str, Any]:
    """The shape of a run, of one that is not there yet: it has no `id`."""
    due = standing.next_due_at
    return {
        "id": None,
        "state": "none",
        "at": iso_or_none(due),
        "checklist": coming.name,
        "title": coming.title,
        "rhythm": coming.rhythm,
        "owner": coming.owner or None,
        "opens_at": iso_or_none(None if due is None else due - coming.opens),
        "due_at": iso_or_none(due),
        "late_at": iso_or_none(None if due is None else due + coming.grace),
        "ended_at": None,
        "done": 0,
        "total": len(coming.items),
        "items": [item_json(item) for item in _items(coming)],
    }


def _items(coming: Checklist) -> list[Marked]:
    return [Marked(place, step) for place, step in enumerate(coming.items, 1)]


def standing_json(standing: Standing, record: Record, now: datetime) -> dict[str, Any]:
    """The documented shape of one list: how it stands, and how reliably it was done."""
    run = standing.run
    return {
        "id": standing.name,
        "state": "none" if run is None else str(run.state(now)),
        "at": iso_or_none(run.due_at if run is not None else standing.next_due_at),
        "title": standing.title,
        "rhythm": standing.rhythm,
        "owner": standing.owner or None,
        "timezone": standing.timezone,
        "next_due_at": iso_or_none(standing.next_due_at),
        "streak": record.streak,
        "on_time_pct": record.on_time_pct,
        "run": None if run is None else run_json(run, now),
    }


def state_of(item: Marked) -> str:
    """done, skipped or open."""
    return "open" if item.mark is None else str(item.mark.state)


# --- tables -----------------------------------------------------------------------------------------------------------


def list_table(standings: Sequence[Standing], records: Mapping[str, Record], now: datetime) -> Table:
    """How every list stands."""
    from rich.text import Text

    rows = table(
        *(
            "name",
            "checklist",
            "rhythm",
            "state",
            "due (UTC)",
            "done",
            "owner",
            "streak",
            "on time",
            "next due",
        ),
        right={"done", "streak", "on time"},
    )
    for each in standings:
        run = each.run
        state = None if run is None else run.state(now)
        rows.add_row(
            each.name,
            Text(each.title),
            each.rhythm,
            Text(_told(run, now), style=_STYLE.get(state, "") if state else "dim"),
            when(None if run is None else run.due_at),
            NO_VALUE if run is None else f"{run.done}/{len(run.items)}",
            Text(each.owner or NO_VALUE),
            str(records[each.name].streak),
            percent(records[each.name]),
            when(each.next_due_at),
        )
    return rows


def _told(run: Run | None, now: datetime) -> str:
    if run is None:
        return "○ not yet open"
    state = run.state(now)
    late = f" for {age(now - run.late_at)}" if state is RunState.OVERDUE else ""
    return f"{_GLYPH[state]} {state}{late}"


def run_lines(run: Run, now: datetime) -> Iterator[str]:
    """One run as a person reads it."""
    owner = f", owner {run.owner}" if run.owner else ""
    yield f"{run.title}  {_told(run, now)}  {run.done} of {len(run.items)}"
    yield f"due {when(run.due_at)} UTC, late after {when(run.late_at)}{owner}"
    yield from _item_lines(run.items)


def coming_lines(standing: Standing, coming: Checklist) -> Iterator[str]:
    """One that was never open, with the items that it will have."""
    due, owner = standing.next_due_at, f", owner {coming.owner}" if coming.owner else ""
    opens = "" if due is None else f", opens {when(due - coming.opens)} UTC"
    yield f"{coming.title}  ○ not yet open{opens}"
    yield f"due {when(due)} UTC{owner}; `tradex checklist start {coming.name}` opens it before"
    yield from _item_lines(_items(coming))


def _item_lines(items: Iterable[Marked]) -> Iterator[str]:
    for item in items:
        mark = item.mark
        said = f"   {mark.by}, {when(mark.at)}" if mark is not None else ""
        auto = "   auto" if mark is None and item.step.automatic else ""
        yield f"  [{_BOX[state_of(item)]}] {item.place:>2}  {item.step.text}{said}{auto}"
        for line in (item.waits if mark is None else mark.note).splitlines():
            yield f"          {line}".rstrip()


def strip_lines(
    titles: Mapping[str, str], past: Sequence[Past], records: Mapping[str, Record], now: datetime
) -> Iterator[str]:
    """Per list, how its runs went from the oldest to the latest, and how reliably."""
    width = max(len(title) for title in titles.values())
    for name, title in titles.items():
        runs = [run for run in past if run.checklist == name]
        strip = " ".join(_STRIP.get(run.state(now), "►") for run in runs) or "nothing was due"
        told = f"{percent(records[name])} on time, streak {records[name].streak}"
        yield f"{title:<{width}}  {strip}   {told}{_days(runs)}"
    yield LEGEND


def _days(runs: Sequence[Past]) -> str:
    """`   due 12 Mar to 14 Mar`, of runs from the oldest to the latest."""
    days = list(dict.fromkeys(f"{run.due_at.astimezone(UTC):%d %b}" for run in runs))
    return f"   due {' to '.join((days[0], *days[-1:]) if len(days) > 1 else days)}" if days else ""


# --- exports ----------------------------------------------------------------------------------------------------------


def markdown(runs: Iterable[Run], now: datetime) -> Iterator[str]:
    """The lines of a document with a section for each run."""
    yield "# Checklists"
    for run in runs:
        ended = f", ended {when(run.ended_at)}" if run.ended_at else ""
        yield ""
        yield f"## {_escaped(run.title)}, due {run.due_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        yield ""
        yield f"{run.state(now)}, {run.done} of {len(run.items)} items{ended}"
        yield ""
        yield "| item | state | by | at (UTC) | note |"
        yield "|---|---|---|---|---|"
        for item in run.items:
            mark = item.mark
            by, at, note = ("", "", item.waits) if mark is None else (mark.by, when(mark.at), mark.note)
            cells = (f"{item.place}. {item.step.text}", state_of(item), by, at, note)
            yield f"| {' | '.join(_escaped(cell) for cell in cells)} |"


def write_csv(runs: Iterable[Run], now: datetime, out: IO[str]) -> None:
    """One row for each item of each run."""
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for run in runs:
        head = (run.checklist, iso(run.due_at), run.state(now), iso(run.ended_at) if run.ended_at else "")
        for item in run.items:
            mark = item.mark
            by, at, note = ("", "", item.waits) if mark is None else (mark.by, iso(mark.at), mark.note)
            texts = (item.step.text, state_of(item), by, at, note)
            rows.writerow((*head, item.place, *(csv_cell(text.replace("\n", " ")) for text in texts)))


def _escaped(text: str) -> str:
    """In a cell of a table of Markdown: nothing that ends it, no markup, no HTML."""
    flat = " ".join(text.split())
    return "".join(f"\\{c}" if c in "\\|`*_<>[]#" else c for c in flat)
