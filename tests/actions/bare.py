"""A kind of action for tests that are about the course of its steps."""

from datetime import timedelta

from console.actions.kind import Context, Request, Usual
from console.domain.action import Guard
from console.gateway.changes import Changes


class Bare(Usual):
    """Without a target, a length, a guard or anything that is watched."""

    puts = False
    lifts = ""
    watches = ()
    watched_for = timedelta(0)

    def target(self, request: Request) -> str:
        return ""

    async def names(self, changes: Changes, request: Request) -> tuple[str, ...]:
        return ("",)

    def length(self, request: Request) -> timedelta | None:
        return None

    async def check(self, context: Context, request: Request) -> tuple[Guard, ...]:
        return ()
