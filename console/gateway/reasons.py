"""Why the platform could not be asked, in a few printable words: every fault of a door becomes a SourceFailed here."""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from console.domain.errors import SourceFailed
from console.domain.text import printable

LONGEST = 160


class NoSource(SourceFailed):
    """This installation has no such thing to ask: nothing is broken, there is just no source."""


class NoValue(SourceFailed):
    """The source has nothing to say yet, or at this moment: nothing is broken either."""


def timed_out(timeout_s: float) -> SourceFailed:
    """`timed out after 3 s`."""
    return SourceFailed(f"timed out after {timeout_s:g} s")


@contextmanager
def as_source_failed(timeout_s: float) -> Iterator[None]:
    """Turn time-outs and network errors into SourceFailed. Errors of a protocol are the door's own to explain."""
    try:
        yield
    except SourceFailed:
        raise
    except TimeoutError:
        raise timed_out(timeout_s) from None
    except (OSError, EOFError) as error:
        raise SourceFailed(network_reason(error)) from None


def network_reason(error: BaseException) -> str:
    """The innermost network error of a chain or group, in words: `connection refused`, `no such host`."""
    chain = list(_chain(error))
    for inner in (e for e in reversed(chain) if isinstance(e, OSError | EOFError)):
        match inner:
            case ssl.SSLCertVerificationError():
                return f"certificate refused: {printable(inner.verify_message, LONGEST)}"
            case ssl.SSLError():
                return f"TLS failed: {printable(inner.reason or inner, LONGEST)}"
            case socket.gaierror():
                return "no such host"
            case ConnectionRefusedError():
                return "connection refused"
            case ConnectionResetError() | BrokenPipeError() | EOFError():
                return "connection closed by the other side"
            case OSError() if inner.errno is not None and inner.errno in errno.errorcode:
                return os.strerror(inner.errno).lower()
    text = str(error if not isinstance(error, BaseExceptionGroup) else chain[-1])
    # asyncio gives several refused addresses of one host as a single error that only says so in its text.
    if "Connect call failed" in text or "connection attempts failed" in text:
        return "connection refused"
    if "connection closed by server" in text.lower():
        return "connection closed by the other side"
    return printable(text or type(error).__name__, LONGEST)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            waiting.extend(current.exceptions)
        waiting.extend((current.__context__, current.__cause__))


async def closed_quietly(closing: asyncio.Future[None], within_s: float) -> None:
    """Wait for a polite goodbye, but not for long, and don't mind when it fails."""
    await asyncio.wait({closing}, timeout=within_s)
    if not closing.done():
        closing.cancel()
    elif not closing.cancelled():
        closing.exception()
