"""A note on an item of a checklist: with its tick, or why it is skipped."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from console.domain import format as fmt
from console.domain.book import Done, Marked
from console.domain.duties import Run, Standing
from screens.base import ConsoleScreen
from screens.drafts import draft_name
from screens.note_dialog import NoteDialog


def write(screen: ConsoleScreen, standing: Standing, run: Run, item: Marked, state: Done) -> None:
    """Open the dialog; it begins with the note that the item has. Where the store would refuse it, that is said
    before anything is written."""
    if reason := _why_not(item, state, screen.feed.snapshot.link.user, screen.now):
        screen.say(reason, role="warn", glyph="warn")
        return
    skips = state is Done.SKIPPED
    kept = "" if item.mark is None else item.mark.note

    async def send(text: str, _key: str) -> str:
        await screen.feed.desk.mark_item(run.id, item.place, state, note=text)
        return f"{'skipped' if skips else 'ticked'}: {item.step.text}"

    dialog = NoteDialog(
        "Skip an item" if skips else "Tick with a note",
        send,
        name=draft_name(screen.feed.snapshot.link, f"item-{run.id}-{item.place}-{state}"),
        drafts=screen.host.drafts,
        about=(("list", standing.title), ("item", f"{item.place} {item.step.text}")),
        text=kept,
        words="Skip it" if skips else "Tick it",
        hint="why it is not done" if skips else "what there is to say",
    )
    screen.app.push_screen(dialog, partial(said, screen))


def _why_not(item: Marked, state: Done, user: str, now: datetime) -> str:
    """Whose mark is in the way: it is taken back first. Their own note people may write again."""
    mark = item.mark
    if mark is None or (mark.state is state and mark.by == user and not mark.automatic):
        return ""
    who = "the agent" if mark.automatic else mark.by
    did = "ticked" if mark.state is Done.DONE else "skipped"
    return f"{who} {did} it {fmt.age(now - mark.at)} ago: untick it first, with space"


def said(screen: ConsoleScreen, words: str | None) -> None:
    """What came of a dialog, in words."""
    if words is not None and screen.is_attached:
        screen.say(words, role="ok", glyph="done")
