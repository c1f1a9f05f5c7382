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
from console.gateway.effects import Caller
from console.settings import MASK


@dataclass(frozen=True, slots=True)
class Sessions:
    """What was ended: sessions of GoTrue, and visits in the platform's own list."""

    deleted: int
    ended: int


@dataclass(frozen=True, slots=True)
class Account:
    """One account and what hangs on it. `sessions` are GoTrue's; `equity` is in the account's currency.
    `last_staff`: of the staff, and no other active one is left."""

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
    equity: float
    last_address: str | None


class Accounts(Caller):
    async def ban(self, user_id: str, duration: timedelta | None) -> datetime | None:
        """No log-in and no renewed token for so long; None lifts the ban. Until when it is banned."""
        body = {"ban_duration": "none" if duration is None else go_duration(duration)}
        answer = await self._send("PUT", self._admin(user_id), self._required("service_key"), body)
        return self._sure_time(answer.json, "banned_until")

    async def banned_until(self, user_id: str) -> datetime | None:
        """None when it is not banned; a moment of the past when it was."""
        return _time(await self._user(user_id), "banned_until")

    async def reset_password(self, user_id: str, email: str) -> None:
        """A password that nobody knows, which ends all sessions, then the mail by which the owner sets a new one.

        Raises Unknown also when only the mail failed: the password is another one by then.
        """
        key, body = self._required("service_key"), {"password": secrets.token_urlsafe(32)}
        await self._send("PUT", self._admin(user_id), key, body, shown={"password": MASK})
        try:
            await self._send("POST", f"{self._required('auth_url')}/recover", key, {"email": email})
        except TradexError as error:
            raise Unknown(f"the password is reset, the recovery mail is not sure: {error}") from None

    async def recovery_sent_at(self, user_id: str) -> datetime | None:
        """When the last recovery mail was sent."""
        return _time(await self._user(user_id), "recovery_sent_at")

    async def set_account_status(self, user_id: str, status: str) -> str:
        """active, suspended or closed; returns the status before. SourceFailed when there is no such account."""
        rows = await self._write(
            (
                "WITH old AS (SELECT id, account_status FROM profiles WHERE id = $1::uuid FOR NO KEY UPDATE), "
                "new AS (UPDATE profiles AS p SET account_status = $2 FROM old "
                "WHERE p.id = old.id AND old.account_status <> $2) SELECT account_status FROM old",
                (_uuid(user_id), status),
            ),
        )
        if not rows[0]:
            raise SourceFailed("there is no such account")
        return printable(rows[0][0]["account_status"], 40)

    async def account_status(self, user_id: str) -> str:
        """Raises SourceFailed when there is no such account."""
        rows = await self._read("SELECT account_status FROM profiles WHERE id = $1", _uuid(user_id))
        if not rows:
            raise SourceFailed("there is no such account")
        return printable(rows[0]["account_status"], 40)

    async def delete_sessions(self, user_id: str) -> Sessions:
        """End every session: none of them renews its token any more."""
        who = _uuid(user_id)
        deleted, ended = await self._write(
            ("DELETE FROM auth.sessions WHERE user_id = $1 RETURNING id", (who,)),
            (
                "UPDATE user_sessions SET status = 'ended', ended_at = now() "
                "WHERE user_id = $1 AND status = 'active' RETURNING id",
                (who,),
            ),
        )
        return Sessions(len(deleted), len(ended))

    async def session_count(self, user_id: str) -> int:
        """GoTrue's sessions that are left."""
        rows = await self._read("SELECT count(*) AS n FROM auth.sessions WHERE user_id = $1", _uuid(user_id))
        return rows[0]["n"]

    async def account(self, who: str) -> Account | None:
        """The account of this id or e-mail address, however that is written; None when there is none."""
        try:
            key: tuple[uuid.UUID | None, str | None] = (uuid.UUID(who), None)
        except ValueError:
            key = (None, who.strip().lower())
        rows = await self._read(
            """
            SELECT p.id, p.email, p.full_name, p.account_tier, p.account_status, u.banned_until, p.equity::float8,
                   (p.account_tier = 'staff' OR p.id::text = ANY ($3) OR lower(p.email) = ANY ($3)) AS staff,
                   (SELECT count(*) FROM profiles AS o WHERE o.id <> p.id AND o.account_status = 'active' AND
                    (o.account_tier = 'staff' OR o.id::text = ANY ($3) OR lower(o.email) = ANY ($3))) AS other_staff,
                   (SELECT count(*) FROM positions WHERE user_id = p.id AND status = 'open') AS positions,
                   (SELECT count(*) FROM orders WHERE user_id = p.id AND status IN ('pending', 'executing')) AS pending,
                   (SELECT count(*) FROM auth.sessions WHERE user_id = p.id) AS sessions,
                   (SELECT host(ip_address) FROM user_sessions WHERE user_id = p.id AND ip_address IS NOT NULL
                    ORDER BY started_at DESC LIMIT 1) AS last_address
            FROM profiles AS p LEFT JOIN auth.users AS u ON u.id = p.id WHERE p.id = $1 OR lower(p.email) = $2
            ORDER BY (p.email = $4) DESC, p.created_at LIMIT 1
            """,
            *key, [name.strip().lower() for name in self.settings.staff], who,
        )  # fmt: skip
        if not rows:
            return None
        row = rows[0]
        return Account(
            str(row["id"]), printable(row["email"], 200), printable(row["full_name"], 200),
            printable(row["account_tier"], 40), printable(row["account_status"], 40), row["staff"],
            row["staff"] and row["other_staff"] == 0, row["banned_until"], row["positions"], row["pending"],
            row["sessions"], row["equity"], row["last_address"],
        )  # fmt: skip

    def _admin(self, user_id: str) -> str:
        return f"{self._required('auth_url')}/admin/users/{_uuid(user_id)}"

    async def _user(self, user_id: str) -> Any:
        return await self._ask(self._admin(user_id), self._required("service_key"))

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
