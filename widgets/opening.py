"""Screens that lose no key: what is typed before a field is there for it, or while a key leads from one field to
another, is kept, and comes to it afterwards."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from textual import events
from textual.message_pump import MessagePump
from textual.screen import ModalScreen, Screen
from textual.widget import Widget

Result = TypeVar("Result")


class Keeping(Screen[Result], Generic[Result]):
    """Its app offers it each key while it is in front, also those that went to another widget just before."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._early: list[events.Key | events.Paste] = []
        self._let_in: events.Key | events.Paste | None = None
        self._is_open = True

    def keeps(self, event: events.Key | events.Paste) -> bool:
        """Whether it is too early for this one: then it waits here."""
        if event is self._let_in:
            return False
        if not self._is_open:
            self._early.append(event)
        return not self._is_open

    def hold(self) -> None:
        """The focus is led to a field: what is typed from now on waits until it is there, with what was sent to where
        the focus is now."""
        # While some wait already, the key that led here is one of them: what comes after it is let in behind it.
        if self._is_open:
            self._is_open = False
            self._after(self._way_of(self.focused or self))

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
        else:
            # It led to another screen: what was meant for this one must not do anything there, or later.
            self._early.clear()
            self._is_open = True

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


class Opening(ModalScreen[Result], Keeping[Result], Generic[Result]):
    """A dialog: the first key that it gets may have been sent to the screen beneath."""

    def __init__(self) -> None:
        super().__init__()
        self._is_open = False

    def on_mount(self) -> None:
        # Once it is drawn; then behind what leads the focus to a field, which goes through the app too.
        self.call_after_refresh(self._after, [self.app])

    def keeps(self, event: events.Key | events.Paste) -> bool:
        kept = super().keeps(event)
        field = self.focused
        typed = field is not None and (
            field.check_consume_key("x", "x")
            if isinstance(event, events.Paste)
            else field.check_consume_key(event.key, event.character)
        )
        if not kept and event is not self._let_in and not typed:
            # What is only typed leads nowhere. The app hands this one on before it comes to what is asked of it here.
            self._is_open = False
            self.app.call_later(self._after, self._way_of(self.focused or self))
        return kept
