"""An item of a checklist in whole, and the way to what it is about."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from console.domain import format as fmt
from console.domain.book import Marked, Step
from screens.aim import Aim
from screens.base import ConsoleScreen
from screens.duty_rows import by_itself, is_agents, moment, tools

if TYPE_CHECKING:
    from screens.books import BooksScreen


def item_facts(item: Marked, timezone: str, now: datetime) -> list[tuple[str, str]]:
    """How it is ticked, what it opens, what was said of it: labels with words."""
    step, mark = item.step, item.mark
    facts = [
        ("item", step.text),
        ("ticked", (by_itself(step) if is_agents(item) else "") or "by hand"),
        ("x shows", tools(step)),
    ]
    if mark is not None:
        when = f"{moment(mark.at, timezone, now)}, {fmt.age(now - mark.at)} ago"
        facts.append((str(mark.state), f"by {mark.by}, {when}"))
    return facts


def item_text(item: Marked) -> str:
    """Markdown: what there is to know about it, then the note or the evidence."""
    parts = [item.step.detail or "There is no more to know about it than that."]
    if item.mark is None and item.waits:
        parts += ["### Not ticked by itself", item.waits]
    if item.mark is not None and item.mark.note:
        parts += ["### Evidence" if item.mark.automatic else "### Note", item.mark.note]
    return "\n\n".join(parts)


def show(screen: BooksScreen, step: Step) -> None:
    """Lead to what a step is about: its screen, its metric, the plan of its action. Who is led to this screen is meant
    to hand over."""
    if step.action:
        from screens.action_asking import begin

        begin(screen, step.action, Aim(), step.params)
    elif step.metric:
        _show_metric(screen, step.metric)
    elif step.screen == screen.number:
        screen.show_view(screen.handover)
    elif step.screen:
        screen.host.go(step.screen)
    elif step.check:
        screen.say(by_itself(step))
    else:
        screen.say("there is nothing behind this one but what it says")


def _show_metric(screen: ConsoleScreen, name: str) -> None:
    from screens.metric_detail import MetricDetail

    if name in screen.snapshot.metrics.specs:
        screen.app.push_screen(MetricDetail(name, number=screen.number))
    else:
        screen.say(f"{name}: the catalogue has no such metric", role="warn", glyph="warn")
