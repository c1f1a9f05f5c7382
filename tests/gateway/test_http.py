"""The HTTP door against servers that misbehave."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.domain.errors import SourceFailed
from console.gateway.http import Http, Response
from tests.gateway import servers
from tests.gateway.servers import reply


async def failure(http: Http, url: str, *, timeout_s: float = 5, method: str = "GET") -> str:
    with pytest.raises(SourceFailed) as caught:
        await http.request(method, url, timeout_s=timeout_s)
    return str(caught.value)


async def test_an_answer_with_its_status_body_headers_and_time() -> None:
    async with servers.http({"/a": reply(b'{"x": 1}', status="503 Sad", headers="X-Y: z\r\n")}) as (base, _):
        http = Http()
        answer = await http.request("GET", f"{base}/a")
        assert (answer.status, answer.json(), answer.headers["x-y"]) == (503, {"x": 1}, "z")
        assert answer.elapsed_ms > 0 and not answer.cut and not answer.good
        await http.close()


async def test_the_token_goes_to_trusted_hosts_only() -> None:
    async with (
        servers.http({"/": reply(b"")}) as (ours, seen),
        servers.http({"/": reply(b"")}) as (theirs, foreign),
    ):
        http = Http(token="sesame", trusted=[f"{ours}/functions/v1", None])
        await http.request("GET", f"{ours}/")
        await http.request("GET", f"{theirs}/")
        await http.close()
    assert seen[0][1]["authorization"] == "Bearer sesame"
    assert "authorization" not in foreign[0][1]


async def test_no_redirect_leaves_the_host() -> None:
    async with servers.http({"/": reply(b"")}) as (theirs, foreign):
        moved = reply(b"", status="302 Found", headers=f"Location: {theirs}/\r\n")
        async with servers.http({"/": moved}) as (ours, _):
            http = Http(token="sesame", trusted=[ours])
            assert await failure(http, f"{ours}/") == "redirected to 127.0.0.1, not followed"
            await http.close()
    assert foreign == []


async def test_redirects_on_the_same_host_are_followed_but_not_for_ever() -> None:
    answers: dict[str, bytes | servers.Handler] = {
        "/a": reply(b"", status="301 Moved", headers="Location: /b\r\n"),
        "/b": reply(b"here"),
        "/loop": reply(b"", status="301 Moved", headers="Location: /loop\r\n"),
    }
    async with servers.http(answers) as (base, _):
        http = Http()
        assert (await http.request("GET", f"{base}/a")).body == b"here"
        assert await failure(http, f"{base}/loop") == "redirected more than 3 times"
        posted = await http.request("POST", f"{base}/a", json={})
        assert posted.status == 301
        await http.close()


async def test_a_large_body_is_cut_off() -> None:
    async with servers.http({"/": servers.endless}) as (base, _):
        http = Http()
        answer = await http.request("GET", f"{base}/")
        assert answer.cut and len(answer.body) == 1_000_000
        with pytest.raises(SourceFailed, match="body over 1 MB cut off"):
            answer.json()
        await http.close()


@pytest.mark.parametrize("handler", [servers.slow_loris, servers.slow_header])
async def test_the_time_out_is_for_the_whole_answer(handler: servers.Handler) -> None:
    async with servers.http({"/": handler}) as (base, _):
        http = Http()
        assert await failure(http, f"{base}/", timeout_s=0.3) == "timed out after 0.3 s"
        await http.close()


async def test_a_silent_server_times_out() -> None:
    async with servers.silent() as port:
        http = Http()
        assert await failure(http, f"http://127.0.0.1:{port}/", timeout_s=0.2) == "timed out after 0.2 s"
        await http.close()


async def test_nobody_there() -> None:
    async with servers.closed() as port:
        http = Http()
        assert await failure(http, f"http://127.0.0.1:{port}/") == "connection refused"
        assert await failure(http, "http://no.such.host.invalid/") == "no such host"
        await http.close()


async def test_garbage_instead_of_http() -> None:
    async def garbage(reader: asyncio.StreamReader, writer: servers.Writer) -> None:
        writer.write(bytes(range(256)) * 10 + b"\r\n\r\n")
        await writer.drain()

    async def hang_up(reader: asyncio.StreamReader, writer: servers.Writer) -> None:
        await reader.read(1)

    async with servers.tcp(garbage) as port, servers.tcp(hang_up) as other:
        http = Http()
        assert (await failure(http, f"http://127.0.0.1:{port}/")).startswith("no proper HTTP")
        said = await failure(http, f"http://127.0.0.1:{other}/")
        assert "closed" in said or "disconnected" in said
        await http.close()


async def test_a_compressed_body_is_not_unpacked() -> None:
    bomb = reply(b"\x1f\x8b" + b"\0" * 100, headers="Content-Encoding: gzip\r\n")
    async with servers.http({"/": bomb}) as (base, asked):
        http = Http()
        answer = await http.request("GET", f"{base}/")
        with pytest.raises(SourceFailed, match="compressed body"):
            answer.text()
        await http.close()
    assert asked[0][1]["accept-encoding"] == "identity"


async def test_control_characters_of_a_server_are_shown_and_not_passed_on() -> None:
    evil = b'{"error": {"message": "\\u001b]52;c;AAAA\\u0007 [@click=app.quit]x[/]"}}'
    async with servers.http({"/": reply(evil, status="500 Bad", headers="X-Evil: a\x9bb\r\n")}) as (base, _):
        http = Http()
        answer = await http.request("GET", f"{base}/")
        assert answer.summary() == "HTTP 500: ␛]52;c;AAAA␇ [@click=app.quit]x[/]"
        assert answer.headers["x-evil"] == "a\ufffdb"
        await http.close()


@pytest.mark.parametrize("url", ["", "http://", "ftp://127.0.0.1/", "http://[::1", "http://127.0.0.1:99999/"])
async def test_a_url_that_is_none(url: str) -> None:
    http = Http()
    assert await failure(http, url)
    await http.close()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>", "not JSON: Expecting value, begins with '<html>'"),
        (b"", "not JSON"),
        (b'{"a": NaN}', "not JSON: NaN is no JSON"),
        (b'{"a": Infinity}', "not JSON: Infinity is no JSON"),
        (b"[" * 100_000, "not JSON: nested too deep"),
        (b"\xff\xfe", "not UTF-8 text: byte 1"),
    ],
)
def test_what_is_not_json(body: bytes, said: str) -> None:
    with pytest.raises(SourceFailed) as caught:
        Response(200, body, {}, 1.0).json()
    assert str(caught.value).startswith(said)


@given(st.binary(max_size=300) | st.text(max_size=100).map(lambda t: json.dumps({"error": t}).encode()))
def test_any_body_is_json_or_a_reason_and_never_unprintable(body: bytes) -> None:
    answer = Response(500, body, {}, 1.0)
    try:
        answer.json()
    except SourceFailed as error:
        assert str(error).isprintable()
    assert answer.summary().startswith("HTTP 500")
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in answer.summary())
