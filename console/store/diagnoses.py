"""What was found out about each alert: one document, replaced by the next one. Encoding is pure."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from console.domain.diagnosis import Cell, Diagnosis, Sample, Section
from console.domain.errors import StoreRefused
from console.domain.log import LogLine
from console.domain.text import printable
from console.store.lease import Lease
from console.store.pool import Store

LARGEST = 200_000
"""Bytes of a document; what is larger is cut."""
_NAME, _TEXT = 100, 500
_LARGEST_NUMBER = 1e100


async def write(store: Store, lease: Lease, diagnosis: Diagnosis) -> None:
    """Keep the diagnosis of its alert instead of the one before. Raises Fenced."""
    await store.execute(
        "SELECT console.write_diagnosis($1, $2, $3, $4, $5)",
        lease.fence,
        diagnosis.alert_id,
        printable(diagnosis.kind, 50),
        diagnosis.at,
        encode(diagnosis),
    )


async def read(store: Store, alert_id: int) -> Diagnosis | None:
    """The newest diagnosis of an alert; None when the platform was not asked yet. All text is printable."""
    row = await store.fetchrow(
        "SELECT kind, at, document FROM console.diagnosis WHERE alert_id = $1", alert_id
    )
    if row is None:
        return None
    try:
        return decode(row["document"], alert_id=alert_id, kind=row["kind"], at=row["at"])
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StoreRefused(
            f"the diagnosis of alert {alert_id} in the store is not one that this program can read"
        ) from None


def encode(diagnosis: Diagnosis, *, largest: int = LARGEST) -> str:
    """JSON of at most `largest` bytes: log lines are left out first, then samples, then rows; `note` says so."""
    text = _json(diagnosis)
    if len(text.encode()) <= largest:
        return text
    lines = max((len(s.log) for s in diagnosis.samples), default=0)
    samples = len(diagnosis.samples)
    rows = max((len(s.rows) for s in diagnosis.sections), default=0)
    while True:
        if lines:
            lines //= 2
        elif samples:
            samples //= 2
        elif rows:
            rows //= 2
        else:
            sections = diagnosis.sections[: len(diagnosis.sections) // 2]
            diagnosis = replace(diagnosis, sections=sections)
        cut = _cut(diagnosis, lines, samples, rows)
        text = _json(cut)
        if len(text.encode()) <= largest or not cut.sections:
            return text


def _cut(diagnosis: Diagnosis, lines: int, samples: int, rows: int) -> Diagnosis:
    """At most so many log lines of each sample, samples, and rows of each section, and how many that leaves out."""
    kept = tuple(replace(s, log=_last(s.log, lines)) for s in diagnosis.samples[:samples])
    sections = tuple(
        replace(s, rows=s.rows[:rows], more=s.more or len(s.rows) > rows) for s in diagnosis.sections
    )
    left_out = (
        (len(diagnosis.samples) - len(kept), "samples"),
        (sum(len(s.log) for s in diagnosis.samples) - sum(len(s.log) for s in kept), "log lines"),
        (sum(len(s.rows) for s in diagnosis.sections) - sum(len(s.rows) for s in sections), "rows"),
    )
    words = ", ".join(f"{count:,} {what}" for count, what in left_out if count)
    return replace(diagnosis, samples=kept, sections=sections, note=f"too much to keep: without {words}")


def _last(lines: tuple[LogLine, ...], count: int) -> tuple[LogLine, ...]:
    return lines[len(lines) - count :] if count < len(lines) else lines


def _json(diagnosis: Diagnosis) -> str:
    return json.dumps(
        {
            "start": diagnosis.start.isoformat(),
            "sections": [
                {
                    "title": printable(s.title, _NAME),
                    "columns": [printable(c, _NAME) for c in s.columns],
                    "units": [printable(u, _NAME) for u in s.units],
                    "rows": [[_cell(cell) for cell in row] for row in s.rows],
                    "reason": _maybe(s.reason),
                    "bar": printable(s.bar, _NAME),
                    "more": s.more,
                }
                for s in diagnosis.sections
            ],
            "samples": [
                {
                    "fields": [[printable(k, _NAME), printable(v, _TEXT)] for k, v in s.fields],
                    "log": [_line(line) for line in s.log],
                }
                for s in diagnosis.samples
            ],
            "samples_title": printable(diagnosis.samples_title, _NAME),
            "samples_reason": _maybe(diagnosis.samples_reason),
            "log_reason": _maybe(diagnosis.log_reason),
            "note": printable(diagnosis.note, _TEXT),
        },
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    )


def _line(line: LogLine) -> dict[str, object]:
    return {
        "at": line.at.isoformat(),
        "source": printable(line.source, _NAME),
        "level": printable(line.level, _NAME),
        "origin": printable(line.origin, _NAME),
        "text": printable(line.text, _TEXT),
        "user": printable(line.user, _NAME),
        "request": printable(line.request, _NAME),
    }


def _cell(cell: object) -> Cell:
    """Text made printable; a number that is not finite, or beyond 1e100, is none."""
    if cell is None or isinstance(cell, bool):
        return None
    if isinstance(cell, int | float):
        return float(cell) if math.isfinite(cell) and abs(cell) <= _LARGEST_NUMBER else None
    return printable(cell, _TEXT)


def _maybe(text: object) -> str | None:
    return None if text is None else printable(text, _TEXT)


def decode(document: str, *, alert_id: int, kind: str, at: datetime) -> Diagnosis:
    """What `encode` wrote; fields that this program does not know are passed over. Raises ValueError, TypeError,
    KeyError or AttributeError for anything else."""
    found = json.loads(document)
    return Diagnosis(
        alert_id=alert_id,
        kind=printable(kind, 50),
        at=at,
        start=_time(found["start"]),
        sections=tuple(_section(each) for each in found["sections"]),
        samples=tuple(_sample(each) for each in found["samples"]),
        samples_title=printable(found.get("samples_title", ""), _NAME),
        samples_reason=_maybe(found.get("samples_reason")),
        log_reason=_maybe(found.get("log_reason")),
        note=printable(found.get("note", ""), _TEXT),
    )


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return at


def _section(found: dict[str, Any]) -> Section:
    return Section(
        title=printable(found["title"], _NAME),
        columns=_names(found["columns"]),
        rows=tuple(tuple(_cell(cell) for cell in row) for row in found["rows"]),
        units=_names(found.get("units", ())),
        reason=_maybe(found.get("reason")),
        bar=printable(found.get("bar", ""), _NAME),
        more=found.get("more") is True,
    )


def _names(found: Sequence[object]) -> tuple[str, ...]:
    return tuple(printable(each, _NAME) for each in found)


def _sample(found: dict[str, Any]) -> Sample:
    return Sample(
        fields=tuple((printable(k, _NAME), printable(v, _TEXT)) for k, v in found["fields"]),
        log=tuple(
            LogLine(
                id=0,
                at=_time(line["at"]),
                source=printable(line["source"], _NAME),
                level=printable(line["level"], _NAME),
                origin=printable(line["origin"], _NAME),
                text=printable(line["text"], _TEXT),
                user=printable(line.get("user", ""), _NAME),
                request=printable(line.get("request", ""), _NAME),
            )
            for line in found["log"]
        ),
    )
