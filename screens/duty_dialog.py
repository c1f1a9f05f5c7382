"""A note on an item of a checklist: with its tick, or why it is skipped."""

from __future__ import annotations

from functools import partial

from console.domain.book import Done, Marked
from console.domain.duties import Run, Standing
from screens.base import ConsoleScreen
from screens.drafts import draft_name
from screens.note_dialog import NoteDialog


def write(screen: ConsoleScreen, standing: Standing, run: Run, item: Marked, state: Done) -> None:
    """Open the dialog; it begins with the note that the item has."""
    skips = state is Done.SKIPPED
    mark = item.mark
    kept = mark.note if mark is not None and not mark.automatic and mark.state is state else ""

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


def said(screen: ConsoleScreen, words: str | None) -> None:
    """What came of a dialog, in words."""
    if words is not None and screen.is_attached:
        screen.say(words, role="ok", glyph="done")
