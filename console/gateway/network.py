"""Addresses of doors and of people, and how long a TCP connection to a door takes, without anything said over it."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from urllib.parse import urlsplit

from console.domain.errors import SourceFailed
from console.gateway.reasons import as_source_failed

# struct tcp_info (linux/tcp.h): eight bytes of flags, then 32-bit fields, of which tcpi_rtt (microseconds) is the 16th.
_RTT = struct.Struct("=68xI")
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443, "redis": 6379, "rediss": 6379}


def endpoint(url: str | None) -> tuple[str, int] | None:
    """Host and port of a URL, None when there is none in it."""
    parts = urlsplit(url or "")
    port = parts.port or _PORTS.get(parts.scheme)
    return (parts.hostname, port) if parts.hostname and port else None


async def connect_ms(host: str, port: int, *, timeout_s: float = 3.0) -> float:
    """Milliseconds from SYN to its answer; looking up the name is not counted. Raises SourceFailed.

    The kernel measures it, so that a busy event loop of ours does not look like a slow network.
    """
    loop = asyncio.get_running_loop()
    with as_source_failed(timeout_s):
        async with asyncio.timeout(timeout_s):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            if not found:
                raise SourceFailed("no such host")
            family, kind, protocol, _, address = found[0]
            with socket.socket(family, kind, protocol) as link:
                link.setblocking(False)
                begun = time.perf_counter()
                await loop.sock_connect(link, address)
                elapsed_ms = (time.perf_counter() - begun) * 1000
                return _round_trip_ms(link) or elapsed_ms


def _round_trip_ms(link: socket.socket) -> float | None:
    """What the kernel measured for this connection, None where it doesn't say."""
    try:
        info = link.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RTT.size)
        return _RTT.unpack(info)[0] / 1000
    except (OSError, AttributeError, struct.error):
        return None
