"""An other side that repeats what one came with: no secret of it is in what is raised or returned, nor half of one."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from console.domain.errors import TradexError
from console.gateway.changes import Changes
from console.sections import PlatformSettings
from console.settings import MASK

from .servers import Writer, tcp

TOKEN, SERVICE = "planted-token-of-a-call", "planted-service-key"


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """It answers with the status and behind so many letters as its path says, with what it was told."""

    async def echo(reader: asyncio.StreamReader, writer: Writer) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        _, status, letters = head.split(" ")[1].split("/")
        came = next(line for line in head.split("\r\n") if line.lower().startswith("authorization"))
        body = json.dumps({"error": {"message": f"{'x' * int(letters)} {came} {SERVICE}"}}).encode()
        writer.write(
            f"HTTP/1.1 {status} x\r\ncontent-type: application/json\r\nconnection: close\r\n"
            f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await writer.drain()

    async with tcp(echo) as number:
        yield number


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("letters", [1, 40, 45])
@pytest.mark.parametrize("status", [200, 400, 500])
async def test_a_call_of_ones_own(port: int, method: str, status: int, letters: int) -> None:
    changes = Changes.open(PlatformSettings(service_key=SecretStr(SERVICE)))
    url = f"http://127.0.0.1:{port}/{status}/{letters}"
    try:
        said = str(await changes.call(method, url, token=TOKEN))
        assert status == 200
    except TradexError as error:
        said = str(error)
        assert f"HTTP {status}" in said
    finally:
        await changes.close()
    # Also no half of it, where what is said was cut.
    assert MASK in said and "plant" not in said
