"""What asyncpg and the network raise, as the two things a caller can act on: the store is away, or it said no.

The messages name the store as HOST:PORT/DATABASE; a password never reaches one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from console.domain.errors import Fenced, StoreAway, StoreRefused, TradexError
from console.domain.text import printable

_FENCED = "TX001"
# Beside the classes 08 (connection), 53 (resources), 57P (shutdown) and 58 (the system below).
_AWAY = {
    "25P03": "it ended this connection, which stood still inside a transaction",
    "40001": "it was busy with a conflicting change",
    "40P01": "it was busy with a conflicting change",
    "53100": "the disk of the store is full",
    "53200": "it is out of memory",
    "53300": "it has no connection left",
    "55P03": "somebody else holds a lock for too long",
    "57014": "it did not finish in time",
    "57P01": "it is shutting down",
    "57P02": "it has crashed and recovers",
    "57P03": "it is starting up or shutting down",
    "57P05": "it ended this idle connection",
}
_REFUSED = {
    "25006": "this connection is read-only",
    "28000": "no such person, or not from this address",
    "28P01": "wrong password, or no such person",
    "3D000": "no such database",
    "3F000": "it holds no tables of tradex: run `tradex db upgrade`",
    "42P01": "it lacks a table: run `tradex db upgrade`",
    "42883": "it lacks a function: run `tradex db upgrade`",
}


def place(url: str) -> str:
    """HOST:PORT/DATABASE of a PostgreSQL URL, for messages."""
    match = re.match(r"postgres(?:ql)?://(?:[^/@]*@)?([^/?]*)(/[^?]*)?(?:\?(.*))?$", url)
    if match is None:
        return printable(url.rpartition("@")[2], 100)
    hosts, database, query = match.group(1), match.group(2) or "/", match.group(3) or ""
    if not hosts:
        host = re.search(r"(?:^|&)host=([^&]*)", query)
        return printable(f"{host.group(1) if host else 'local socket'}{database}", 100)
    with_ports = [h if re.search(r":\d+$", h) else f"{h}:5432" for h in hosts.split(",")]
    return printable(",".join(with_ports) + database, 100)


def lost(error: BaseException) -> bool:
    """Whether the connection itself is gone, so that a fresh one may do better."""
    if isinstance(error, asyncpg.PostgresError):
        return _state(error)[:3] in ("57P", "25P") or _state(error)[:2] == "08"
    return isinstance(error, ConnectionError | asyncpg.InterfaceError | asyncpg.InternalClientError)


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Everything asyncpg and the network raise inside becomes StoreAway, StoreRefused or Fenced. Only a ValueError
    for an address that makes no sense (ClientConfigurationError) is left to whoever connects."""
    try:
        yield
    except (TradexError, asyncpg.ClientConfigurationError):
        raise
    except (
        TimeoutError,
        OSError,
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,
    ) as error:
        raise _explain(where, error) from None


def _state(error: asyncpg.PostgresError) -> str:
    return getattr(error, "sqlstate", None) or ""


def _explain(where: str, error: Exception) -> TradexError:
    if isinstance(error, asyncpg.PostgresError):
        return _said(where, error)
    if isinstance(error, asyncpg.InterfaceError):
        if "pool is clos" in str(error):
            return StoreAway("the connection to the store was closed by this program")
        return StoreAway(f"the store at {where} does not answer: the connection was lost")
    return StoreAway(f"the store at {where} does not answer: {_network(error)}")


def _said(where: str, error: asyncpg.PostgresError) -> TradexError:
    state, text = _state(error), printable(str(error), 300)
    if state == _FENCED:
        return Fenced(text)
    if state == "53100":
        return StoreAway(f"{_AWAY[state]} ({where}): {text}")
    if state in _AWAY or state[:2] in ("08", "53", "58", "XX") or state[:3] == "57P":
        return StoreAway(f"the store at {where} does not answer: {_AWAY.get(state, text)}")
    if state == "42501":
        return StoreRefused(f"the store at {where} refused: {text}")
    reason = _REFUSED.get(state)
    return StoreRefused(f"the store at {where} refused: {f'{reason} ({text})' if reason else text}")


def _network(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionError):
        return "the connection was lost"
    if isinstance(error, OSError) and "Connect call failed" in str(error):
        # What asyncio makes of several addresses, each of which refused.
        return "connection refused"
    return printable(getattr(error, "strerror", None) or error, 200)
