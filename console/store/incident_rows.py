"""Incidents as the store has them, and back into what they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import asyncpg

from console.domain.book import Done, Mark, Marked
from console.domain.incident import Attached, FollowUp, Incident, Pin, Role, Update
from console.domain.text import lines_of, printable
from console.store.books import ladder_read, steps_read

_TITLE, _PERSON = 200, 63

# $1: runbooks whose steps are known here, $2: how much of an update (null: all).
SELECT = """
    SELECT i.id, i.title, i.level, i.opened_at, i.opened_by, i.detected_at, i.acknowledged_at, i.acknowledged_by,
        i.mitigated_at, i.mitigated_by, i.closed_at, i.closed_by, i.resolution, i.merged_into, i.roles,
        i.next_update_at, i.plot,
        ARRAY(
            SELECT alert_id FROM console.incident_alert WHERE incident_id = i.id ORDER BY alert_id
        ) AS alerts,
        (
            SELECT jsonb_agg(jsonb_build_object('id', b.id, 'name', b.name, 'title', b.title,
                'steps', CASE WHEN b.id <> ALL ($1) THEN b.steps END,
                'ladder', CASE WHEN b.id <> ALL ($1) THEN b.ladder END,
                'marks', (SELECT jsonb_agg(to_jsonb(m)) FROM console.incident_mark AS m WHERE m.book_id = b.id)
                ) ORDER BY b.id)
            FROM console.incident_book AS b WHERE b.incident_id = i.id
        ) AS runbooks,
        (
            SELECT jsonb_agg(jsonb_build_object('event_id', e.id, 'text', e.text, 'by', p.author, 'at', p.at)
                ORDER BY p.at)
            FROM console.incident_pin AS p JOIN console.event AS e ON e.id = p.event_id WHERE p.incident_id = i.id
        ) AS pins,
        (
            SELECT jsonb_agg(to_jsonb(f) ORDER BY f.id) FROM console.follow_up AS f WHERE f.incident_id = i.id
        ) AS follow_ups,
        (
            SELECT jsonb_agg(jsonb_build_object('id', e.id, 'template', u.template, 'audience', u.audience,
                'kind', u.kind, 'text', coalesce(left(e.body, $2::int), e.body), 'by', e.actor, 'at', e.at)
                ORDER BY e.id)
            FROM console.incident_update AS u JOIN console.event AS e ON e.id = u.event_id WHERE u.incident_id = i.id
        ) AS updates,
        (
            SELECT count(*) FROM console.attendance AS a
            WHERE a.incident_id = i.id AND a.seen_at > statement_timestamp() - interval '30 seconds'
        ) AS present
    FROM console.incident AS i
"""


def incident(row: asyncpg.Record, known: Mapping[int, Attached], found: dict[int, Attached]) -> Incident:
    """From a row of SELECT. Runbooks that are not `known` are read from the row; all that it has go into `found`,
    nothing of them ticked."""
    return Incident(
        id=row["id"],
        title=printable(row["title"], _TITLE),
        level=row["level"],
        opened_at=row["opened_at"],
        opened_by=printable(row["opened_by"], _PERSON),
        detected_at=row["detected_at"],
        acknowledged_at=row["acknowledged_at"],
        acknowledged_by=_person(row["acknowledged_by"]),
        mitigated_at=row["mitigated_at"],
        mitigated_by=_person(row["mitigated_by"]),
        closed_at=row["closed_at"],
        closed_by=_person(row["closed_by"]),
        resolution=lines_of(row["resolution"]),
        merged_into=row["merged_into"],
        roles={Role(role): printable(person, _PERSON) for role, person in json.loads(row["roles"]).items()},
        alerts=tuple(row["alerts"]),
        runbooks=tuple(_attached(book, known, found) for book in _listed(row["runbooks"])),
        pins=tuple(
            Pin(
                each["event_id"],
                printable(each["text"], 600),
                printable(each["by"], _PERSON),
                _at(each["at"]),
            )
            for each in _listed(row["pins"])
        ),
        follow_ups=tuple(_follow_up(each) for each in _listed(row["follow_ups"])),
        updates=tuple(
            Update(
                id=each["id"],
                template=printable(each["template"], 100),
                audience=printable(each["audience"], 20),
                kind=printable(each["kind"], 20),
                text=lines_of(each["text"]),
                by=printable(each["by"], _PERSON),
                at=_at(each["at"]),
            )
            for each in _listed(row["updates"])
        ),
        next_update_at=row["next_update_at"],
        plot=printable(row["plot"], 100),
        present=row["present"],
    )


def _attached(book: Mapping[str, Any], known: Mapping[int, Attached], found: dict[int, Attached]) -> Attached:
    bare = known.get(book["id"])
    if bare is None:
        bare = Attached(
            id=book["id"],
            name=printable(book["name"], 100),
            title=printable(book["title"], 200),
            steps=tuple(Marked(place, step) for place, step in enumerate(steps_read(book["steps"]), 1)),
            ladder=ladder_read(book["ladder"]),
        )
    found[bare.id] = bare
    marks = {each["place"]: _mark(each) for each in book["marks"] or ()}
    steps = tuple(
        replace(step, mark=marks[step.place]) if step.place in marks else step for step in bare.steps
    )
    return replace(bare, steps=steps)


def _mark(each: Mapping[str, Any]) -> Mark:
    return Mark(
        state=Done(each["state"]),
        by=printable(each["author"], _PERSON),
        at=_at(each["at"]),
        note=printable(each["note"]),
        automatic=each["automatic"],
        action_id=each["action_id"],
    )


def _follow_up(each: Mapping[str, Any]) -> FollowUp:
    return FollowUp(
        id=each["id"],
        text=printable(each["text"]),
        owner=printable(each["owner"], _PERSON),
        by=printable(each["author"], _PERSON),
        at=_at(each["at"]),
        done_by=_person(each["done_by"]),
        done_at=None if each["done_at"] is None else _at(each["done_at"]),
    )


def _listed(text: str | None) -> Sequence[Mapping[str, Any]]:
    return () if text is None else json.loads(text)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _person(name: str | None) -> str | None:
    return None if name is None else printable(name, _PERSON)
