"""Runbooks, checklists and templates in the store: published by the leading agent, read by everybody."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from console.domain.book import PARTS, Checklist, Runbook, Rung, Step, Symptom, Template
from console.domain.text import lines_of, printable
from console.store.lease import Lease
from console.store.pool import Store

Book = Runbook | Checklist | Template


async def publish(store: Store, lease: Lease, books: Sequence[Book]) -> int:
    """All of them, in the order of their lists: what is not among them is gone. How many changed. Raises Fenced."""
    rows = [
        {
            "kind": kind_of(book),
            "name": book.name,
            "title": book.title,
            "place": place,
            "content": written(book),
        }
        for place, book in enumerate(books, 1)
    ]
    return await store.fetchval("SELECT console.publish_books($1, $2)", lease.fence, json.dumps(rows))


async def runbooks(store: Store) -> list[Runbook]:
    """All of them, in the order in which they were published."""
    return [_runbook(name, title, content) for name, title, content in await _of(store, "runbook")]


async def checklists(store: Store) -> list[Checklist]:
    """Their definitions, in the order in which they were published."""
    return [_checklist(name, title, content) for name, title, content in await _of(store, "checklist")]


async def templates(store: Store) -> list[Template]:
    """All of them, in the order in which they were published."""
    return [_template(name, title, content) for name, title, content in await _of(store, "template")]


async def _of(store: Store, kind: str) -> list[tuple[str, str, Mapping[str, Any]]]:
    rows = await store.fetch(
        "SELECT name, title, content FROM console.book WHERE kind = $1 ORDER BY place, name", kind
    )
    return [
        (printable(row["name"], 100), printable(row["title"], 200), json.loads(row["content"]))
        for row in rows
    ]


# --- encoding ---------------------------------------------------------------------------------------------------------


def kind_of(book: Book) -> str:
    """`runbook`, `checklist` or `template`."""
    return type(book).__name__.lower()


def written(book: Book) -> dict[str, Any]:
    """A book's content as the store keeps it; durations in seconds, as they are written in its file."""
    match book:
        case Runbook():
            return {
                "summary": book.summary,
                "aliases": list(book.aliases),
                "symptoms": [
                    {"text": s.text, "rules": list(s.rules), "metrics": list(s.metrics)}
                    for s in book.symptoms
                ],
                "steps": steps_written(book.steps),
                "ladder": [
                    {"who": r.who, "after_s": r.after.total_seconds(), "deadline_s": _seconds(r.deadline)}
                    for r in book.ladder
                ],
                "level": book.level,
                "customers": book.customers,
                "place": book.place,
            }
        case Checklist():
            return {
                "rhythm": book.rhythm,
                "rule": book.rule,
                "at": book.at,
                "timezone": book.timezone,
                "opens_s": book.opens.total_seconds(),
                "grace_s": book.grace.total_seconds(),
                "owner": book.owner,
                "summary": book.summary,
                "steps": steps_written(book.items),
                "place": book.place,
            }
        case Template():
            return {
                "audience": book.audience,
                "kind": book.kind,
                "text": book.text,
                "again_s": {str(level): span.total_seconds() for level, span in book.again.items()},
                "place": book.place,
            }


def steps_written(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Steps as the store keeps them; what a step has not got is left out."""
    fields = ("text", "part", "detail", "action", "check", "screen", "metric", "holds", "evidence")
    return [
        {name: value for name in fields if (value := getattr(step, name))}
        | ({"params": dict(step.params)} if step.params else {})
        for step in steps
    ]


def steps_read(content: Iterable[Mapping[str, Any]]) -> tuple[Step, ...]:
    """The other way round; nothing of it can't be shown."""
    return tuple(
        Step(
            text=printable(each.get("text", "")),
            part=part if (part := each.get("part", "")) in PARTS else "",
            detail=lines_of(each.get("detail", "")),
            action=printable(each.get("action", ""), 60),
            params={
                printable(name, 60): printable(value, 200) for name, value in each.get("params", {}).items()
            },
            check=printable(each.get("check", ""), 60),
            screen=int(each.get("screen", 0)),
            metric=printable(each.get("metric", ""), 100),
            holds=printable(each.get("holds", ""), 500),
            evidence=printable(each.get("evidence", ""), 60),
        )
        for each in content
    )


def ladder_read(content: Iterable[Mapping[str, Any]]) -> tuple[Rung, ...]:
    """Rungs from `[{who, after_s, deadline_s}]`."""
    return tuple(
        Rung(printable(each["who"], 100), timedelta(seconds=each["after_s"]), _span(each.get("deadline_s")))
        for each in content
    )


def _runbook(name: str, title: str, content: Mapping[str, Any]) -> Runbook:
    return Runbook(
        name=name,
        title=title,
        summary=printable(content["summary"]),
        aliases=_texts(content["aliases"]),
        symptoms=tuple(
            Symptom(printable(each["text"]), _texts(each["rules"]), _texts(each["metrics"]))
            for each in content["symptoms"]
        ),
        steps=steps_read(content["steps"]),
        ladder=ladder_read(content["ladder"]),
        level=int(content["level"]),
        customers=printable(content.get("customers", ""), 200),
        place=printable(content["place"]),
    )


def _checklist(name: str, title: str, content: Mapping[str, Any]) -> Checklist:
    return Checklist(
        name=name,
        title=title,
        rhythm=printable(content["rhythm"], 20),
        rule=printable(content["rule"], 200),
        at=printable(content["at"], 5),
        timezone=printable(content["timezone"], 60),
        opens=timedelta(seconds=content["opens_s"]),
        grace=timedelta(seconds=content["grace_s"]),
        owner=printable(content["owner"], 63),
        summary=printable(content["summary"]),
        items=steps_read(content["steps"]),
        place=printable(content["place"]),
    )


def _template(name: str, title: str, content: Mapping[str, Any]) -> Template:
    return Template(
        name=name,
        title=title,
        audience=printable(content["audience"], 20),
        kind=printable(content["kind"], 20),
        text=lines_of(content["text"]),
        again={int(level): timedelta(seconds=span) for level, span in content["again_s"].items()},
        place=printable(content["place"]),
    )


def _texts(content: Iterable[object]) -> tuple[str, ...]:
    return tuple(printable(each, 200) for each in content)


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
