"""How long a TCP connection to one of the platform's doors takes, without anything said over it."""

from __future__ import annotations

import asyncio
import socket
import time
from urllib.parse import urlsplit

from console.domain.errors import SourceFailed
from console.gateway.reasons import as_source_failed

_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443, "redis": 6379, "rediss": 6379}


def endpoint(url: str | None) -> tuple[str, int] | None:
    """Host and port of a URL, None when there is none in it."""
    parts = urlsplit(url or "")
    port = parts.port or _PORTS.get(parts.scheme)
    return (parts.hostname, port) if parts.hostname and port else None


async def connect_ms(host: str, port: int, *, timeout_s: float = 3.0) -> float:
    """Milliseconds from SYN to the established connection; looking up the name is not counted. Raises SourceFailed."""
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
                return (time.perf_counter() - begun) * 1000
