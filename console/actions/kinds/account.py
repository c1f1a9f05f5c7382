"""Suspend an account, reinstate it, and let somebody set a new password (FACTS, section 4).

A ban at GoTrue only ends what is new: sessions are deleted, and once more after five minutes (a log-in that was begun
before may be completed until then); tokens that were issued go on until they expire, so the account's status, which the
order function reads, is set first.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from console.actions.guards import Person, may_be_suspended
from console.actions.kind import EARLIER, Context, Request, Run, StepDef, Usual, duration_of, missing, planned
from console.actions.wording import clock, equal_command
from console.domain.action import Choice, Danger, Fact, Guard, KindSpec, Parameter, Plan, Proof
from console.domain.duration import written as duration
from console.domain.errors import Refused
from console.domain.format import counted
from console.domain.text import printable
from console.gateway.accounts import Account
from console.gateway.changes import Changes

ACCOUNT, LOGIN, SESSIONS = "account", "log-in", "sessions"
SECOND_TIME = timedelta(seconds=300)
ACTIVE, SUSPENDED = "active", "suspended"
_LEAST, _MOST = timedelta(minutes=1), timedelta(days=90)
# A suspension that does not end by itself: GoTrue's ban always has an end.
_FOREVER, _LEAST_BAN = timedelta(days=36_500), timedelta(seconds=1)
_ENDLESS = timedelta(days=3650)
_WHO = Parameter("account", "Account (e-mail or id)", type="account")
KEEP = "keep"


@dataclass(frozen=True, slots=True)
class _OfAccount(Usual):
    """What all of them have in common."""

    spec: KindSpec
    puts = False
    lifts = ""
    watches = ()

    def target(self, request: Request) -> str:
        return _who(request)

    async def names(self, changes: Changes, request: Request) -> tuple[str, ...]:
        account = await _account(changes, request)
        return tuple(dict.fromkeys((account.email, account.user_id, _who(request))))

    def length(self, request: Request) -> timedelta | None:
        return None


@dataclass(frozen=True, slots=True)
class SuspendAccount(_OfAccount):
    puts = True

    def length(self, request: Request) -> timedelta | None:
        if not request.params.get("length", "").strip():
            return None
        return duration_of(request, "length", timedelta(), least=_LEAST, most=_MOST)

    async def check(self, context: Context, request: Request) -> tuple[Guard, ...]:
        account = await _account(context.changes, request)
        return _may_be_suspended(account, request)

    async def plan(self, context: Context, request: Request) -> Plan:
        length = self.length(request)
        account = await _account(context.changes, request)
        guards = _may_be_suspended(account, request)
        notes = [
            "tokens that were issued stay valid until they expire; orders are refused at once all the same",
            f"sessions are deleted again after {duration(SECOND_TIME / context.scale)}",
        ]
        if account.status != ACTIVE or _banned(account, context.now):
            notes.append(f"it is {account.status} already; log-ins: {_logins(account, context.now)}")
        return Plan(
            title=f"Suspend {account.email}" + (f" for {duration(length)}" if length else ""),
            steps=planned(self.steps(request), context.scale),
            facts=_facts(account),
            guards=guards,
            choices=_choices(account),
            notes=tuple(notes),
            until=None if length is None else context.now + length / context.scale,
            typed=account.email,
            command=equal_command(self.spec, request, account.email),
        )

    def steps(self, request: Request) -> tuple[StepDef, ...]:
        length = self.length(request)

        async def suspend(run: Run) -> str:
            account = await _account(run.changes, request)
            was = await run.changes.set_account_status(account.user_id, SUSPENDED)
            return f"{SUSPENDED}, was {was}"

        async def is_suspended(run: Run, _before: str) -> bool:
            return (await _account(run.changes, request)).status == SUSPENDED

        async def ban(run: Run) -> str:
            account = await _account(run.changes, request)
            left = _FOREVER if length is None else run.later(length) - run.now
            until = await run.changes.ban(account.user_id, max(left, _LEAST_BAN))
            return "no log-in, without an end" if length is None else f"no log-in until {clock(until)}"

        async def is_banned(run: Run, _before: str) -> bool:
            until = (await _account(run.changes, request)).banned_until
            if until is None or until <= run.now:
                return False
            # One that ends earlier is the ban before.
            return until > run.now + _ENDLESS if length is None else until >= run.later(length) - EARLIER

        async def end_sessions(run: Run) -> str:
            account = await _account(run.changes, request)
            gone = await run.changes.delete_sessions(account.user_id)
            return f"{counted(gone.deleted, 'session')} deleted, {gone.ended:,} of the platform ended"

        async def no_session(run: Run, _before: str) -> bool:
            return (await _account(run.changes, request)).sessions == 0

        who = self.target(request)
        return (
            StepDef("account", f"set the account of {who} to {SUSPENDED}", suspend, ACCOUNT, is_suspended),
            StepDef("ban", f"refuse log-ins of {who}", ban, LOGIN, is_banned),
            StepDef("sessions", f"delete the sessions of {who}", end_sessions, SESSIONS, no_session),
            StepDef(
                "sessions_again",
                f"delete the sessions of {who} again",
                end_sessions,
                SESSIONS,
                no_session,
                after=SECOND_TIME,
            ),
        )

    async def prove(self, run: Run) -> Proof:
        """What is left of the account's ways in."""
        account = await _account(run.changes, run.request)
        facts = (
            Fact("account", account.status, "ok" if account.status == SUSPENDED else "crit"),
            Fact("log-ins", _logins(account, run.now), "ok" if _banned(account, run.now) else "crit"),
            Fact("sessions left", f"{account.sessions:,}", "warn" if account.sessions else "ok"),
            Fact("open positions", f"{account.open_positions:,}"),
        )
        if account.status == SUSPENDED and _banned(account, run.now) and account.sessions == 0:
            return Proof("proved", "no session is left, log-ins and orders are refused", facts)
        return Proof("unproved", "a way in is left", facts)


@dataclass(frozen=True, slots=True)
class ReinstateAccount(_OfAccount):
    lifts = "suspend_account"

    async def check(self, context: Context, request: Request) -> tuple[Guard, ...]:
        return self._may_come_back(await _account(context.changes, request), context)

    def _may_come_back(self, account: Account, context: Context) -> tuple[Guard, ...]:
        if account.status == "closed":
            raise Refused(f"{account.email} is closed for good: it can't be reinstated")
        free = account.status == ACTIVE and not _banned(account, context.now)
        if free and not {(self.lifts, who) for who in (account.email, account.user_id)} & context.in_force:
            raise Refused(f"{account.email} is not suspended")
        return (Guard("account", True, f"{account.email} is {account.status}"),)

    async def plan(self, context: Context, request: Request) -> Plan:
        account = await _account(context.changes, request)
        return Plan(
            title=f"Reinstate {account.email}",
            steps=planned(self.steps(request), context.scale),
            facts=_facts(account),
            guards=self._may_come_back(account, context),
            command=equal_command(self.spec, request, account.email),
        )

    def steps(self, request: Request) -> tuple[StepDef, ...]:
        async def unban(run: Run) -> str:
            account = await _account(run.changes, request)
            await run.changes.ban(account.user_id, None)
            return "log-ins are accepted"

        async def is_free(run: Run, _before: str) -> bool:
            return not _banned(await _account(run.changes, request), run.now)

        async def activate(run: Run) -> str:
            account = await _account(run.changes, request)
            was = await run.changes.set_account_status(account.user_id, ACTIVE)
            return f"{ACTIVE}, was {was}"

        async def is_active(run: Run, _before: str) -> bool:
            return (await _account(run.changes, request)).status == ACTIVE

        who = self.target(request)
        return (
            StepDef("ban", f"accept log-ins of {who}", unban, LOGIN, is_free),
            StepDef("account", f"set the account of {who} to {ACTIVE}", activate, ACCOUNT, is_active),
        )

    async def prove(self, run: Run) -> Proof:
        account = await _account(run.changes, run.request)
        facts = (
            Fact("account", account.status, "ok" if account.status == ACTIVE else "crit"),
            Fact("log-ins", _logins(account, run.now), "crit" if _banned(account, run.now) else "ok"),
            Fact("sessions", f"{account.sessions:,}"),
        )
        if account.status == ACTIVE and not _banned(account, run.now):
            return Proof("proved", "log-ins and orders are accepted", facts)
        return Proof("unproved", "it is still shut out", facts)


@dataclass(frozen=True, slots=True)
class ResetPassword(_OfAccount):
    async def check(self, context: Context, request: Request) -> tuple[Guard, ...]:
        return self._may_be_reset(await _account(context.changes, request), request)

    def _may_be_reset(self, account: Account, request: Request) -> tuple[Guard, ...]:
        """As for a suspension: both shut a person out."""
        guards = _may_be_suspended(account, request, "reset")
        return (*guards, Guard("account", True, f"{account.email} is {account.status}"))

    async def plan(self, context: Context, request: Request) -> Plan:
        account = await _account(context.changes, request)
        return Plan(
            title=f"Reset the password of {account.email}",
            steps=planned(self.steps(request), context.scale),
            facts=_facts(account),
            guards=self._may_be_reset(account, request),
            notes=(
                "the present password is replaced by one that nobody knows; it can't be taken back",
                "tokens that were issued stay valid until they expire",
            ),
            typed=account.email,
            command=equal_command(self.spec, request, account.email),
        )

    def steps(self, request: Request) -> tuple[StepDef, ...]:
        async def sent_at(run: Run) -> str:
            account = await _account(run.changes, request)
            at = await run.changes.recovery_sent_at(account.user_id)
            return "" if at is None else at.isoformat()

        async def reset(run: Run) -> str:
            account = await _account(run.changes, request)
            await run.changes.reset_password(account.user_id, account.email)
            return f"the old one is void, the mail to {account.email} is on its way"

        async def was_sent(run: Run, before: str) -> bool:
            return await sent_at(run) != before

        who = self.target(request)
        return (
            StepDef(
                "password",
                f"void the password of {who} and send the mail for a new one",
                reset,
                LOGIN,
                was_sent,
                before=sent_at,
            ),
        )

    async def prove(self, run: Run) -> Proof:
        account = await _account(run.changes, run.request)
        at = await run.changes.recovery_sent_at(account.user_id)
        facts = (Fact("mail sent", clock(at) if at is not None else "-"),)
        if at is None:
            return Proof("unproved", "GoTrue knows of no mail", facts)
        return Proof("proved", f"GoTrue sent the mail at {clock(at)}", facts)


def kinds(doors: Collection[str]) -> tuple[SuspendAccount, ReinstateAccount, ResetPassword]:
    """All of them, where these doors of the platform are configured."""
    suspend = KindSpec(
        name="suspend_account",
        title="Suspend an account",
        verb="Suspend",
        command="suspend",
        parameters=(_WHO, Parameter("length", "For", type="duration", required=False)),
        target="account",
        danger=Danger.HIGH,
        budget=20,
        freeze=False,
        undo="reinstate_account",
        expires=True,
        layers=(ACCOUNT, LOGIN, SESSIONS),
        unavailable=missing(doors, "database", "auth"),
        group="security",
    )
    one = replace(suspend, parameters=(_WHO,), expires=False)
    reinstate = replace(
        one,
        name="reinstate_account",
        title="Reinstate an account",
        verb="Reinstate",
        command="reinstate",
        danger=Danger.MEDIUM,
        budget=40,
        undo="suspend_account",
        layers=(ACCOUNT, LOGIN),
    )
    reset = replace(
        one,
        name="reset_password",
        title="Reset a password",
        verb="Reset password of",
        command="reset-password",
        undo="",
        layers=(LOGIN,),
    )
    return SuspendAccount(suspend), ReinstateAccount(reinstate), ResetPassword(reset)


def _who(request: Request) -> str:
    who = (request.params.get("account", "") or request.target).strip()
    if not who:
        raise Refused("expected an account: its e-mail or its id")
    return printable(who, 200)


async def _account(changes: Changes, request: Request) -> Account:
    """Raises Refused without such an account."""
    who = _who(request)
    account = await changes.account(who)
    if account is None:
        raise Refused(f"there is no account {who}")
    return account


def _may_be_suspended(account: Account, request: Request, deed: str = "suspended") -> tuple[Guard, ...]:
    person = Person(account.user_id, account.email, account.name, account.staff, account.last_staff)
    return may_be_suspended(person, request.people, deed)


def _banned(account: Account, now: datetime) -> bool:
    """An end that is over is no ban any more."""
    return account.banned_until is not None and account.banned_until > now


def _logins(account: Account, now: datetime) -> str:
    if account.banned_until is None or not _banned(account, now):
        return "accepted"
    # GoTrue has no ban without an end: ours, and what others set that far away, outlasts everybody.
    if account.banned_until - now > _ENDLESS:
        return "refused without an end"
    return f"refused until {clock(account.banned_until)}"


def _facts(account: Account) -> tuple[Fact, ...]:
    return (
        Fact("account", f"{account.name}, {account.tier}, {account.status}"),
        Fact("open positions", f"{account.open_positions:,}", "warn" if account.open_positions else "ok"),
        Fact("pending orders", f"{account.pending_orders:,}", "warn" if account.pending_orders else "ok"),
        Fact("equity", f"{account.equity:,.2f}"),
        Fact("sessions", f"{account.sessions:,}"),
        Fact("last address", account.last_address or "-"),
    )


def _choices(account: Account) -> tuple[Choice, ...]:
    if not account.open_positions and not account.pending_orders:
        return ()
    parts = [
        counted(account.open_positions, "open position") if account.open_positions else "",
        counted(account.pending_orders, "pending order") if account.pending_orders else "",
    ]
    return (
        Choice(
            "open",
            " and ".join(part for part in parts if part),
            ((KEEP, "stay open and can't be managed by their owner"),),
        ),
    )
