"""A lean HTTP/1.1 client for one loopback server: what the simulated people use, at a fraction of a full client's CPU.

Keep-alive connections are reused, last used first. Understands what our own service sends: Content-Length bodies.
"""

from __future__ import annotations

import asyncio
import json as json_module
from dataclasses import dataclass
from typing import Any

_LARGEST = 2_000_000
_IDLE_CONNECTIONS = 40


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> Any:
        return json_module.loads(self.body)

    def code(self) -> str | None:
        """What a refusal of the platform says for programs."""
        try:
            return self.json()["error"]["code"]
        except (ValueError, TypeError, KeyError):
            return None


class Client:
    """Raises ConnectionError for everything that kept an answer from coming, time-outs included."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        headers: dict[str, str] | None = None,
        timeout_s: float = 10,
    ) -> Answer:
        body = b"" if json is None else json_module.dumps(json).encode()
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}:{self._port}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if json is not None:
            lines.append("Content-Type: application/json")
        lines += [f"Content-Length: {len(body)}", "", ""]
        message = "\r\n".join(lines).encode() + body
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(message)
        except (OSError, TimeoutError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            raise ConnectionError(f"{method} {path}: {type(error).__name__}") from error

    async def _exchange(self, message: bytes) -> Answer:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                break
            writer.close()
        else:
            reader, writer = await asyncio.open_connection(self._host, self._port, limit=_LARGEST)
        reusable = False
        try:
            writer.write(message)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            status = int(head.split(" ", 2)[1])
            length = (
                int(head.split("\r\ncontent-length:", 1)[1].split("\r\n", 1)[0])
                if "content-length" in head
                else 0
            )
            if length > _LARGEST:
                raise ValueError("the body is too large")
            body = await reader.readexactly(length)
            reusable = "\r\nconnection: close" not in head and len(self._idle) < _IDLE_CONNECTIONS
            return Answer(status, body)
        finally:
            if reusable:
                self._idle.append((reader, writer))
            else:
                writer.close()

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()
