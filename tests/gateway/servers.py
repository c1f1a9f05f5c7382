"""Real servers on loopback that misbehave on demand. Each is an async context manager that gives its port."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

Writer = asyncio.StreamWriter
Handler = Callable[[asyncio.StreamReader, Writer], Awaitable[None]]


@contextlib.asynccontextmanager
async def tcp(handler: Handler, *, port: int = 0) -> AsyncIterator[int]:
    """Every connection goes to `handler`; all of them end with the server."""
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await handler(reader, writer)
        finally:
            running.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


@contextlib.asynccontextmanager
async def silent() -> AsyncIterator[int]:
    """Accepts and never says a word."""

    async def wait(reader: asyncio.StreamReader, writer: Writer) -> None:
        while await reader.read(65536):
            pass

    async with tcp(wait) as port:
        yield port


@contextlib.asynccontextmanager
async def closed() -> AsyncIterator[int]:
    """A port on which nobody listens."""
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    yield port


class Requests(list[tuple[str, dict[str, str]]]):
    """What a server was asked: path and headers, in order."""


@contextlib.asynccontextmanager
async def http(answers: dict[str, bytes | Handler]) -> AsyncIterator[tuple[str, Requests]]:
    """Answers by path, as raw bytes or as a handler that writes what it likes. Gives the base URL and the requests."""
    asked = Requests()

    async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lines = head.split("\r\n")
            path = lines[0].split(" ")[1]
            headers = {
                n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:] if line)
            }
            asked.append((path, headers))
            await reader.readexactly(int(headers.get("content-length", 0)))
            answer = answers.get(path, reply(b"not here", status="404 Not Found"))
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(reader, writer)
                return

    async with tcp(serve) as port:
        yield f"http://127.0.0.1:{port}", asked


def reply(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    """A complete HTTP answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode("latin-1") + body


async def endless(reader: asyncio.StreamReader, writer: Writer) -> None:
    """A body of 10 MB without a length."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(160):
        writer.write(b"x" * 65536)
        await writer.drain()


async def slow_loris(reader: asyncio.StreamReader, writer: Writer) -> None:
    """One byte of a body now and then, for ever: no single read ever times out."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def slow_header(reader: asyncio.StreamReader, writer: Writer) -> None:
    """A header line that never ends, byte by byte."""
    writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)
