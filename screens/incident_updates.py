"""A stakeholder update: by which template, then the text to be read and changed, then it is recorded."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from console.domain.book import Template, unfilled
from console.domain.incident import Incident
from screens import incident_asking as asking
from screens.asking_dialog import Values
from screens.note_dialog import NoteDialog

if TYPE_CHECKING:
    from screens.incident_acting import IncidentActing


def waits(text: str) -> str:
    """What nobody may read: a name that has no value yet."""
    names = unfilled(text)
    return f"no value yet for {', '.join(names)}: write it, or take it out" if names else ""


def choose(screen: IncidentActing, incident: Incident) -> None:
    """Ask by which template."""

    async def ask() -> None:
        templates = {each.name: each for each in await screen.feed.query.templates()}
        picked: list[Template] = []

        async def pick(key: str, _values: Values) -> str:
            picked.append(templates[key])
            return ""

        if screen.is_current:
            asked = asking.templates(incident, list(templates.values()), pick)
            screen.ask(asked, lambda: _preview(screen, incident, picked[0]))

    screen.read("the templates", ask)


def _preview(screen: IncidentActing, incident: Incident, template: Template) -> None:
    async def preview() -> None:
        text = await screen.feed.query.draft_update(incident.id, template.name)
        if screen.is_current:
            _write(screen, incident, template, text)

    screen.read("the template", preview)


def _write(screen: IncidentActing, incident: Incident, template: Template, text: str) -> None:
    again = template.promises(incident.level, screen.feed.snapshot.link.time_scale)

    async def send(written: str, key: str) -> str:
        await screen.feed.desk.record_update(
            *(incident.id, template.name, written),
            key=key,
            again_s=None if again is None else again.total_seconds(),
        )
        return f"recorded: {template.title}"

    dialog = NoteDialog(
        template.title,
        send,
        name=screen.draft_name(f"update-{template.name}", incident),
        drafts=screen.host.drafts,
        about=[("for", f"{template.audience}, {template.kind}"), ("then", asking.again_words(again))],
        text=text,
        words="Record update",
        hint="Markdown",
        check=waits,
    )
    screen.app.push_screen(dialog, partial(screen.wrote, dialog))
