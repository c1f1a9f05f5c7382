"""Accounts: GoTrue's admin calls (supabase.com/docs/reference/self-hosting-auth), and what the platform's own tables
say and decide about a person.

A ban alone stops no token that was issued: the account's status, which the order function checks, is set beside it.
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from console.domain.errors import SourceFailed, TradexError, Unknown
from console.domain.text import printable
from console.gateway.effects import TIMEOUT_S, Caller
from console.settings import MASK


@dataclass(frozen=True, slots=True)
class Sessions:
    """What was ended: sessions of GoTrue, and visits in the platform's own list."""

    deleted: int
    ended: int


@dataclass(frozen=True, slots=True)
class Account:
    """One account and what hangs on it. `sessions` are GoTrue's, `active_sessions` the platform's own list; money is
    in the account's currency. `last_staff`: of the staff, and no other active one is left."""

    user_id: str
    email: str
    name: str
    tier: str
    status: str
    staff: bool
    last_staff: bool
    banned_until: datetime | None
    open_positions: int
    pending_orders: int
    sessions: int
    active_sessions: int
    balance: float
    equity: float
    margin_used: float
    last_address: str | None


@dataclass(frozen=True, slots=True)
class Suspended:
    """An account that is not active, or that GoTrue lets in no more."""

    user_id: str
    email: str
    name: str
    status: str
    banned_until: datetime | None


class Accounts(Caller):
    async def ban(
        self, user_id: str, duration: timedelta | None, *, timeout_s: float = TIMEOUT_S
    ) -> datetime | None:
        """No log-in and no renewed token for so long; None lifts the ban. Until when it is banned."""
        body = {"ban_duration": "none" if duration is None else go_duration(duration)}
        answer = await self._send(
            "PUT", self._admin(user_id), self._required("service_key"), body, timeout_s=timeout_s
        )
        return self._sure_time(answer.json, "banned_until")

    async def banned_until(self, user_id: str, *, timeout_s: float = TIMEOUT_S) -> datetime | None:
        """None when it is not banned; a moment of the past when it was."""
        return _time(await self._user(user_id, timeout_s), "banned_until")

    async def reset_password(self, user_id: str, email: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """A password that nobody knows, which ends all sessions, then the mail by which the owner sets a new one.

        Raises Unknown also when only the mail failed: the password is another one by then.
        """
        key, body = self._required("service_key"), {"password": secrets.token_urlsafe(32)}
        await self._send(
            "PUT", self._admin(user_id), key, body, shown={"password": MASK}, timeout_s=timeout_s
        )
        try:
            await self._send(
                "POST", f"{self._required('auth_url')}/recover", key, {"email": email}, timeout_s=timeout_s
            )
        except TradexError as error:
            raise Unknown(f"the password is reset, the recovery mail is not sure: {error}") from None

    async def recovery_sent_at(self, user_id: str, *, timeout_s: float = TIMEOUT_S) -> datetime | None:
        """When the last recovery mail was sent."""
        return _time(await self._user(user_id, timeout_s), "recovery_sent_at")

    async def set_account_status(self, user_id: str, status: str, *, timeout_s: float = TIMEOUT_S) -> str:
        """active, suspended or closed; returns the status before. SourceFailed when there is no such account."""
        rows = await self._write(
            (
                "WITH old AS (SELECT id, account_status FROM profiles WHERE id = $1::uuid FOR NO KEY UPDATE), "
                "new AS (UPDATE profiles AS p SET account_status = $2 FROM old "
                "WHERE p.id = old.id AND old.account_status <> $2) SELECT account_status FROM old",
                (_uuid(user_id), status),
            ),
            timeout_s=timeout_s,
        )
        if not rows[0]:
            raise SourceFailed("there is no such account")
        return printable(rows[0][0]["account_status"], 40)

    async def account_status(self, user_id: str, *, timeout_s: float = TIMEOUT_S) -> str:
        """Raises SourceFailed when there is no such account."""
        rows = await self._read(
            "SELECT account_status FROM profiles WHERE id = $1", _uuid(user_id), timeout_s=timeout_s
        )
        if not rows:
            raise SourceFailed("there is no such account")
        return printable(rows[0]["account_status"], 40)

    async def delete_sessions(self, user_id: str, *, timeout_s: float = TIMEOUT_S) -> Sessions:
        """End every session: none of them renews its token any more."""
        who = _uuid(user_id)
        deleted, ended = await self._write(
            ("DELETE FROM auth.sessions WHERE user_id = $1 RETURNING id", (who,)),
            (
                "UPDATE user_sessions SET status = 'ended', ended_at = now() "
                "WHERE user_id = $1 AND status = 'active' RETURNING id",
                (who,),
            ),
            timeout_s=timeout_s,
        )
        return Sessions(len(deleted), len(ended))

    async def session_count(self, user_id: str, *, timeout_s: float = TIMEOUT_S) -> int:
        """GoTrue's sessions that are left."""
        rows = await self._read(
            "SELECT count(*) AS n FROM auth.sessions WHERE user_id = $1", _uuid(user_id), timeout_s=timeout_s
        )
        return rows[0]["n"]

    async def account(self, who: str, *, timeout_s: float = TIMEOUT_S) -> Account | None:
        """The account of this id or e-mail address, None when there is none."""
        try:
            key: tuple[uuid.UUID | None, str | None] = (uuid.UUID(who), None)
        except ValueError:
            key = (None, who)
        rows = await self._read(
            """
            SELECT p.id, p.email, p.full_name, p.account_tier, p.account_status, u.banned_until,
                   p.balance::float8, p.equity::float8, p.margin_used::float8,
                   (p.account_tier = 'staff' OR p.id::text = ANY ($3) OR p.email = ANY ($3)) AS staff,
                   (SELECT count(*) FROM profiles AS o WHERE o.id <> p.id AND o.account_status = 'active'
                    AND (o.account_tier = 'staff' OR o.id::text = ANY ($3) OR o.email = ANY ($3))) AS other_staff,
                   (SELECT count(*) FROM positions WHERE user_id = p.id AND status = 'open') AS positions,
                   (SELECT count(*) FROM orders WHERE user_id = p.id AND status IN ('pending', 'executing')) AS pending,
                   (SELECT count(*) FROM auth.sessions WHERE user_id = p.id) AS sessions,
                   (SELECT count(*) FROM user_sessions WHERE user_id = p.id AND status = 'active') AS visits,
                   (SELECT host(ip_address) FROM user_sessions WHERE user_id = p.id AND ip_address IS NOT NULL
                    ORDER BY started_at DESC LIMIT 1) AS last_address
            FROM profiles AS p LEFT JOIN auth.users AS u ON u.id = p.id WHERE p.id = $1 OR p.email = $2
            ORDER BY p.created_at LIMIT 1
            """,
            *key, list(self.settings.staff), timeout_s=timeout_s,
        )  # fmt: skip
        if not rows:
            return None
        row = rows[0]
        return Account(
            str(row["id"]), printable(row["email"], 200), printable(row["full_name"], 200),
            printable(row["account_tier"], 40), printable(row["account_status"], 40), row["staff"],
            row["staff"] and row["other_staff"] == 0, row["banned_until"], row["positions"], row["pending"],
            row["sessions"], row["visits"], row["balance"], row["equity"], row["margin_used"], row["last_address"],
        )  # fmt: skip

    async def suspended(self, *, timeout_s: float = TIMEOUT_S) -> tuple[Suspended, ...]:
        """All accounts that are suspended or banned now, by name."""
        rows = await self._read(
            "SELECT p.id, p.email, p.full_name, p.account_status, u.banned_until FROM profiles AS p "
            "LEFT JOIN auth.users AS u ON u.id = p.id "
            "WHERE p.account_status = 'suspended' OR u.banned_until > now() ORDER BY p.full_name, p.id LIMIT 1000",
            timeout_s=timeout_s,
        )
        return tuple(
            Suspended(
                str(r["id"]), printable(r["email"], 200), printable(r["full_name"], 200),
                printable(r["account_status"], 40), r["banned_until"],
            )
            for r in rows
        )  # fmt: skip

    def _admin(self, user_id: str) -> str:
        return f"{self._required('auth_url')}/admin/users/{_uuid(user_id)}"

    async def _user(self, user_id: str, timeout_s: float) -> Any:
        return await self._ask(self._admin(user_id), self._required("service_key"), timeout_s=timeout_s)

    def _sure_time(self, read: Any, name: str) -> datetime | None:
        """A time of the answer to a change that was done; an answer nobody can read is Unknown."""
        try:
            return _time(read(), name)
        except SourceFailed as error:
            raise Unknown(f"sent, and the answer can't be read: {error}") from None


def go_duration(duration: timedelta) -> str:
    """`24h`, `90m`, `45s`: as Go reads it, which knows no days. Whole seconds, at least one."""
    seconds = max(round(duration.total_seconds()), 1)
    for size, unit in ((3600, "h"), (60, "m")):
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise SourceFailed(f"no account id: {printable(text, 60)}") from None


def _time(user: Any, name: str) -> datetime | None:
    if not isinstance(user, dict):
        raise SourceFailed("GoTrue's answer is no user")
    text = user.get(name)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise SourceFailed(f"GoTrue's {name} is no time: {printable(text, 40)}") from None
    if at.tzinfo is None:
        raise SourceFailed(f"GoTrue's {name} has no time zone: {printable(text, 40)}")
    return at
