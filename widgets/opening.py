"""A modal screen that loses no key: what is typed before it is drawn, or while a key leads from one field to another,
is kept, and comes to it afterwards."""

from collections.abc import Sequence
from typing import Generic, TypeVar

from textual import events
from textual.message_pump import MessagePump
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input

Result = TypeVar("Result")


class Opening(ModalScreen[Result], Generic[Result]):
    """Its app offers it each key while it is in front, also those that went to the screen beneath just before."""

    def __init__(self) -> None:
        super().__init__()
        self._early: list[events.Key | events.Paste] = []
        self._let_in: events.Key | events.Paste | None = None
        self._is_open = False

    def on_mount(self) -> None:
        # Once it is drawn; then behind what leads the focus to a field, which goes through the app too.
        self.call_after_refresh(self._after, [self.app])

    def keeps(self, event: events.Key | events.Paste) -> bool:
        """Whether it is too early for this one: then it waits here."""
        if event is self._let_in:
            return False
        if not self._is_open:
            self._early.append(event)
            return True
        if not (isinstance(self.focused, Input) and (isinstance(event, events.Paste) or event.is_printable)):
            # What is only typed leads nowhere. The app hands this one on before it comes to what is asked of it here.
            self._is_open = False
            self.app.call_later(self._after, self._way_of(self.focused or self))
        return False

    def _way_of(self, target: Widget) -> list[MessagePump]:
        """What a key goes through until the focus is where it leads: up to the app, where it becomes an action, and
        once more, as what the action of a field tells its screen."""
        return [*target.ancestors_with_self, self.app] * 2

    def _after(self, pumps: Sequence[MessagePump]) -> None:
        """Let the next one in when what was sent before has gone through all of these."""
        if pumps:
            pumps[0].call_later(self._after, pumps[1:])
        elif self.is_current:
            self._next()

    def _next(self) -> None:
        if not self._early:
            self._is_open = True
            return
        # They were pressed in the order of their times; some come by the screen beneath.
        event = min(self._early, key=lambda each: each.time)
        self._early.remove(event)
        paste = isinstance(event, events.Paste)
        again = events.Paste(event.text) if paste else events.Key(event.key, event.character)
        self._let_in, target = again, self.focused or self
        target._forward_event(again)
        # It may lead to the field that the one after it is meant for.
        self._after(self._way_of(target))
