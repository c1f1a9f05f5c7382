"""What the war-room asks before something is changed: words, levels, people, choices. Each returns an `Asking`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from console.domain import format as fmt
from console.domain.alert import Alert, Phase
from console.domain.book import Done, Marked
from console.domain.errors import Misuse
from console.domain.incident import Attached, Incident, IncidentState, Role
from screens.asking_dialog import Asking, Pick, Question, Values, said
from screens.drafts import keys
from screens.incident_rows import ROLES, until
from widgets.live_table import Column
from widgets.look import Look
from widgets.times import span_words

if TYPE_CHECKING:
    from console.desk import Desk
    from console.domain.book import Runbook, Template
    from console.feed import Feed

Call = Callable[[str, Values], Awaitable[str]]


def _about(incident: Incident) -> list[tuple[str, str]]:
    return [("incident", f"{incident.name}  {incident.title}")]


def skipping(desk: Desk, incident: Incident, book: Attached, marked: Marked) -> Asking:
    """Why a step is not needed."""

    async def call(_key: str, values: Values) -> str:
        await desk.mark_step(incident.id, book.id, marked.place, Done.SKIPPED, note=values["reason"])
        return f"step {marked.place} is skipped"

    required = "a reason is required: write it, then enter and y"
    return Asking(
        "Skip a step",
        f"Skip step {marked.place}",
        call,
        about=[*_about(incident), ("step", f"{marked.place} {marked.step.text}")],
        questions=[Question("r", "reason", hint="why it is not needed", required=required)],
        role="warn",
        verb="skips it",
    )


def mitigating(desk: Desk, incident: Incident) -> Asking:
    """The harm has stopped, or has not after all."""
    back = incident.state is IncidentState.MITIGATED

    async def call(_key: str, values: Values) -> str:
        await desk.mitigate(incident.id, values["note"], back=back)
        return f"{incident.name} is {'not mitigated after all' if back else 'mitigated'}"

    hint = "what shows that it goes on" if back else "what stopped it"
    return Asking(
        "Not mitigated after all" if back else "Mitigated",
        "Take it back" if back else "Mitigated",
        call,
        about=_about(incident),
        questions=[Question("n", "note", hint=hint)],
        role="warn" if back else "accent",
        verb="takes it back" if back else "says so",
    )


def levelling(desk: Desk, incident: Incident, levels: Sequence[int]) -> Asking:
    """How bad it is, and why."""

    def check(values: Values) -> tuple[str, str | None]:
        if values["level"] not in map(str, levels):
            return "expected a level of 1 (worst), 2 or 3", "level"
        if int(values["level"]) == incident.level:
            return f"it has level {incident.level} already", "level"
        return "", None

    async def call(_key: str, values: Values) -> str:
        await desk.set_level(incident.id, int(values["level"]), values["reason"])
        return f"{incident.name} has level {values['level']}"

    about = "1: customers lose money or data; 2: many notice; 3: few notice, or nobody yet"
    required = "a reason is required: write it, then enter and y"
    return Asking(
        "Level",
        "Set level",
        call,
        about=[*_about(incident), ("now", f"SEV{incident.level}"), ("levels", about)],
        questions=[
            Question("l", "level", hint="1, 2 or 3", required="write the level: 1, 2 or 3"),
            Question("r", "reason", hint="what has changed, or is known by now", required=required),
        ],
        check=check,
        role="warn",
        verb="sets it",
    )


def renaming(desk: Desk, incident: Incident) -> Asking:
    """What it is called."""

    async def call(_key: str, values: Values) -> str:
        await desk.rename_incident(incident.id, values["title"])
        return f"{incident.name} is called {values['title']}"

    required = "say in one line what is wrong"
    questions = [Question("t", "title", incident.title, required=required)]
    return Asking("Rename", "Rename", call, about=_about(incident), questions=questions, verb="renames it")


def closing(feed: Feed, incident: Incident, *, draft: bool) -> Asking:
    """What it was. `draft`: a note on it was begun and not sent."""

    async def call(_key: str, values: Values) -> str:
        await feed.desk.close_incident(incident.id, values["outcome"])
        return f"{incident.name} is closed"

    def about() -> list[tuple[str, str]]:
        now = feed.snapshot.incident(incident.id) or incident
        left = sum(each.done_at is None for each in now.follow_ups)
        said = [
            ("steps", now.open_steps),
            ("left", f"{fmt.counted(left, 'follow-up')} open; they stay" if left else ""),
            ("update", promised(now, feed.now())),
            ("note", "a draft was not sent: n goes on with it" if draft else ""),
        ]
        return [*_about(incident), *(each for each in said if each[1])]

    required = "the outcome is required: what it was and what ended it; then enter and y"
    return Asking(
        "Close the incident",
        f"Close {incident.name}",
        call,
        about=about,
        questions=[Question("o", "outcome", hint="what it was, and what ended it", required=required)],
        role="warn",
        verb="closes it",
    )


def promised(incident: Incident, now: datetime) -> str:
    """What is still owed to stakeholders: `the next one was promised for 03:15, late 0:50`; "" for nothing."""
    at = incident.next_update_at
    if at is None:
        return ""
    when = fmt.clock(at, seconds=False)
    return f"the next one {'is' if at > now else 'was'} promised for {when}, {until(at, now)}"


def reopening(desk: Desk, incident: Incident) -> Asking:
    """Why it was not over."""

    async def call(_key: str, values: Values) -> str:
        await desk.reopen_incident(incident.id, values["reason"])
        return f"{incident.name} is open again"

    required = "a reason is required: write it, then enter and y"
    return Asking(
        "Reopen the incident",
        f"Reopen {incident.name}",
        call,
        about=[*_about(incident), ("was", incident.resolution)],
        questions=[Question("r", "reason", hint="what shows that it goes on", required=required)],
        role="warn",
        verb="opens it",
    )


def roles(feed: Feed, incident: Incident) -> Asking:
    """Who is what."""
    me = feed.snapshot.link.user

    def now() -> Incident:
        return feed.snapshot.incident(incident.id) or incident

    def picks(look: Look) -> list[Pick]:
        found = []
        for role, short in ROLES.items():
            person = now().roles.get(role, "")
            who = said(person, look, "strong") if person else said("nobody", look, "pending")
            found.append(Pick(str(role), (said(role, look), said(short, look, "muted"), who), f"Set {role}"))
        return found

    async def call(key: str, values: Values) -> str:
        role, person = Role(key), values["person"]
        await feed.desk.set_role(incident.id, role, person)
        return f"{person or 'nobody'} is {role} of {incident.name}"

    free = next((role for role in ROLES if not incident.roles.get(role)), Role.COMMANDER)
    return Asking(
        "Roles",
        "Set role",
        call,
        about=_about(incident),
        columns=(Column("", 14), Column("", 5), Column("", None)),
        picks=picks,
        first=str(free),
        questions=[Question("p", "person", me, hint="a login; empty: nobody")],
        verb="sets it",
    )


_NEW = "new"


def follow_ups(feed: Feed, incident: Incident) -> Asking:
    """A new one, or one that is done."""

    def now() -> Incident:
        return feed.snapshot.incident(incident.id) or incident

    def picks(look: Look) -> list[Pick]:
        found = [Pick(_NEW, (said("+", look, "accent"), said("a new one", look), said("", look)), "Add")]
        for each in now().follow_ups:
            over = each.done_at is not None
            sign = said(look.glyphs["done" if over else "to-do"], look, "ok" if over else "muted")
            text = said(each.text, look, "muted" if over else "text")
            who = said(each.done_by or each.owner or "nobody", look, "muted")
            taken = f"{each.done_by} has done it" if over else ""
            found.append(Pick(str(each.id), (sign, text, who), "Done", taken))
        return found

    once = keys()

    async def call(key: str, values: Values) -> str:
        if key != _NEW:
            await feed.desk.end_follow_up(int(key))
            return "the follow-up is done"
        if not values["text"]:
            raise Misuse("write what is to be done: t leads there")
        made = once(values["text"], values["owner"])
        await feed.desk.add_follow_up(incident.id, values["text"], values["owner"], key=made)
        return "the follow-up is noted"

    return Asking(
        "Follow-ups",
        "Add",
        call,
        about=_about(incident),
        columns=(Column("", 1), Column("", None), Column("", 12, right=True)),
        picks=picks,
        questions=[
            Question("t", "text", hint="what is to be done afterwards"),
            Question("o", "owner", hint="a login; empty: nobody yet"),
        ],
        # The only thing to do with none that is open is to write one.
        begin="" if any(each.done_at is None for each in incident.follow_ups) else "text",
        verb="does it",
    )


def links(feed: Feed, incident: Incident) -> Asking:
    """Merge it into another one, split one of its alerts off, link another alert."""

    def picks(look: Look) -> list[Pick]:
        snapshot = feed.snapshot
        own = snapshot.incident(incident.id) or incident
        found: list[Pick] = []

        def offer(key: str, verb: str, name: str, words: str, why_not: str = "") -> None:
            cells = (said(verb, look, "accent"), said(name, look))
            found.append(Pick(key, cells, words, why_not))

        for alert in snapshot.alerts:
            if alert.id not in own.alerts and alert.phase is not Phase.RESOLVED:
                offer(f"link {alert.id}", "link", alert.rule, "Link")
        for number in own.alerts:
            only = "an incident keeps one of its alerts at least" if len(own.alerts) < 2 else ""
            offer(f"split {number}", "split off", _rule(snapshot.alerts, number), "Split off", only)
        for other in snapshot.open_incidents:
            if other.id != own.id:
                offer(f"merge {other.id}", "merge into", f"{other.name}  {other.title}", "Merge")
        return found

    once = keys()

    async def call(key: str, values: Values) -> str:
        verb, _, rest = key.partition(" ")
        number = int(rest)
        if verb == "link":
            await feed.desk.link_alerts(incident.id, [number])
            return f"linked to {incident.name}"
        if verb == "merge":
            await feed.desk.merge_incident(incident.id, number)
            return f"{incident.name} goes on as INC-{number}"
        title = values["title"] or _rule(feed.snapshot.alerts, number)
        made = await feed.desk.split_incident(incident.id, [number], title, key=once(number, title))
        return f"INC-{made} is open"

    return Asking(
        "Merge, split, link",
        "Link",
        call,
        about=_about(incident),
        columns=(Column("", 10), Column("", None)),
        picks=picks,
        questions=[Question("t", "title", hint="of what is split off; empty: the alert's rule")],
        nothing="no other incident and no other alert is open",
        role="warn",
        verb="does it",
    )


def _rule(alerts: Sequence[Alert], number: int) -> str:
    return next((alert.rule for alert in alerts if alert.id == number), f"alert {number}")


def attaching(desk: Desk, incident: Incident, books: Sequence[Runbook]) -> Asking:
    """Which runbook is worked through, too."""
    there = {book.name for book in incident.runbooks}

    def picks(look: Look) -> list[Pick]:
        return [
            Pick(
                book.name,
                (said(book.title, look), said(f"{len(book.steps)} steps", look, "muted")),
                "Attach",
                f"{book.title} is attached already" if book.name in there else "",
            )
            for book in books
        ]

    async def call(key: str, _values: Values) -> str:
        await desk.attach_runbook(incident.id, key)
        return f"{key} is attached"

    return Asking(
        "Attach a runbook",
        "Attach",
        call,
        about=_about(incident),
        columns=(Column("", None), Column("", 9, right=True)),
        picks=picks,
        first=next((book.name for book in books if book.name not in there), ""),
        nothing="no agent has published a runbook yet",
        verb="attaches it",
    )


def templates(incident: Incident, found: Sequence[Template], call: Call) -> Asking:
    """Which template an update is written by; those of its next kind first."""
    had = {(update.audience, update.kind) for update in incident.updates}

    def picks(look: Look) -> list[Pick]:
        return [
            Pick(
                each.name,
                (
                    said(each.audience, look, "muted"),
                    said(each.kind, look, "muted"),
                    said(each.title, look),
                    said("written" if (each.audience, each.kind) in had else "", look, "muted"),
                ),
                "Write",
            )
            for each in found
        ]

    wanted = "update" if had else "initial"
    return Asking(
        "Stakeholder update",
        "Write",
        call,
        about=_about(incident),
        columns=(Column("", 8), Column("", 7), Column("", None), Column("", 7, right=True)),
        picks=picks,
        first=next((each.name for each in found if each.kind == wanted), ""),
        nothing="no agent has published a template yet",
        verb="shows it first",
    )


def again_words(again: timedelta | None) -> str:
    """What an update promises."""
    if again is None:
        return "recorded with your name; no next one is promised"
    return f"recorded with your name, the next one in {span_words(again.total_seconds())}"
