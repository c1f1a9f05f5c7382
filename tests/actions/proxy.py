"""Stands between an agent and the platform's HTTP side, and loses what it is told to lose."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx


@dataclass
class Proxy:
    """`fate` decides on each request that changes something: pass it on, `swallow` the answer, or `drop` the request;
    a number is answered with that status. `once` forgets it after the first."""

    target: str
    url: str = ""
    fate: str = "pass"
    once: bool = True
    changes: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, path, _ = head.split("\r\n")[0].split(" ")
            headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            length = next((int(v) for k, v in headers.items() if k.lower() == "content-length"), 0)
            body = await reader.readexactly(length)
            fate = "pass"
            if method != "GET":
                self.changes += 1
                fate, self.fate = self.fate, ("pass" if self.once else self.fate)
            if fate == "drop":
                return
            if fate.isdigit():
                writer.write(f"HTTP/1.1 {fate} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
                await writer.drain()
                return
            sent = {
                k: v for k, v in headers.items() if k.lower() not in ("host", "connection", "content-length")
            }
            async with httpx.AsyncClient(trust_env=False, timeout=15) as client:
                answer = await client.request(method, self.target + path, headers=sent, content=body)
            if fate == "swallow":
                return
            writer.write(
                f"HTTP/1.1 {answer.status_code} x\r\ncontent-type: application/json\r\n"
                f"content-length: {len(answer.content)}\r\nconnection: close\r\n\r\n".encode()
                + answer.content
            )
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def proxy(target: str) -> AsyncIterator[Proxy]:
    made = Proxy(target)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
