"""The writing door against servers that refuse, vanish or never answer; secrets that nobody repeats."""

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from console import settings
from console.domain.errors import Misuse, SourceFailed, Unknown
from console.gateway.accounts import go_duration
from console.gateway.changes import Changes
from console.gateway.deployed import Frontend
from console.gateway.reasons import NoSource
from console.sections import PlatformSettings
from tests.gateway import servers
from tests.gateway.servers import reply

USER = "5f0f6f3e-6a9b-4d0c-9a51-7d6b6a7c2e11"
ADMIN = f"/auth/v1/admin/users/{USER}"
NETWORK = ipaddress.ip_network("203.0.113.7/32")
SECRETS = {
    "ops_database_password": "planted-database-password",
    "service_key": "planted-service-key",
    "vercel_token": "planted-vercel-token",
}
Call = Callable[[Changes], Awaitable[object]]

CALLS: dict[str, Call] = {
    "ban": lambda c: c.ban(USER, timedelta(hours=1)),
    "reset_password": lambda c: c.reset_password(USER, "a@b.example"),
    "ops": lambda c: c.ops("PUT", "/compute", {"size": "large"}),
}
READS: dict[str, Call] = {
    "recovery_sent_at": lambda c: c.recovery_sent_at(USER),
    "denied": lambda c: c.denied(NETWORK),
    "ops GET": lambda c: c.ops("GET", "/compute"),
}
SQL_CALLS: dict[str, Call] = {
    "block": lambda c: c.block(NETWORK, "x", datetime.now(UTC)),
    "unblock": lambda c: c.unblock(NETWORK),
    "set_account_status": lambda c: c.set_account_status(USER, "suspended"),
    "delete_sessions": lambda c: c.delete_sessions(USER),
    "set_flag": lambda c: c.set_flag("maintenance", True),
}


def opened(base: str, database: str | None = None, *, timeout_s: float = 5.0) -> Changes:
    return Changes.open(
        PlatformSettings(
            base_url=base, vercel_url=base, vercel_project="prj_x", ops_database_url=database,
            **{name: SecretStr(value) for name, value in SECRETS.items()},
        ),
        timeout_s=timeout_s,
    )  # fmt: skip


@pytest.fixture
async def nobody() -> AsyncIterator[str]:
    async with servers.closed() as port:
        yield f"127.0.0.1:{port}"


async def outcomes(base: str, calls: dict[str, Call]) -> dict[str, BaseException | object]:
    """What came of each call, all of them at once."""
    changes = opened(base, timeout_s=2)
    found = await asyncio.gather(*(call(changes) for call in calls.values()), return_exceptions=True)
    await changes.close()
    return dict(zip(calls, found, strict=True))


async def test_sent_and_never_answered_is_unknown_and_for_a_question_it_is_not() -> None:
    async with servers.silent() as port:
        found = await outcomes(f"http://127.0.0.1:{port}", CALLS | READS)
    assert {name: (type(error), str(error)) for name, error in found.items()} == dict.fromkeys(
        CALLS, (Unknown, "sent, and no sure answer: timed out after 2 s")
    ) | dict.fromkeys(READS, (SourceFailed, "timed out after 2 s"))


async def test_nobody_there_is_a_sure_failure(nobody: str) -> None:
    found = await outcomes(f"http://{nobody}", CALLS | READS)
    assert {(type(error), str(error)) for error in found.values()} == {(SourceFailed, "connection refused")}


@pytest.mark.parametrize("name", SQL_CALLS)
async def test_no_database_there_is_a_sure_failure(name: str, nobody: str) -> None:
    changes = opened("http://127.0.0.1:9", f"postgresql://ops@{nobody}/platform")
    with pytest.raises(SourceFailed, match="connection refused"):
        await SQL_CALLS[name](changes)
    await changes.close()


@pytest.mark.parametrize("name", SQL_CALLS)
async def test_a_database_that_lets_nobody_in_is_a_sure_failure(name: str) -> None:
    async with servers.silent() as port:
        changes = opened("http://127.0.0.1:9", f"postgresql://ops@127.0.0.1:{port}/platform", timeout_s=0.3)
        with pytest.raises(SourceFailed, match=r"timed out after 0\.3 s"):
            await SQL_CALLS[name](changes)
        await changes.close()


@pytest.mark.parametrize("when", ["before the answer", "in the answer"])
async def test_a_connection_that_breaks_after_sending_is_unknown(when: str) -> None:
    async def breaks(reader: asyncio.StreamReader, writer: servers.Writer) -> None:
        if when == "in the answer":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
            await writer.drain()

    async with servers.http({ADMIN: breaks}) as (base, _):
        changes = opened(base)
        with pytest.raises(Unknown):
            await changes.ban(USER, timedelta(hours=1))
        await changes.close()


@pytest.mark.parametrize(
    ("status", "error"),
    [("400 Bad Request", SourceFailed), ("403 Forbidden", SourceFailed), ("404 Not Found", SourceFailed),
     ("409 Conflict", SourceFailed), ("429 Too Many Requests", SourceFailed), ("302 Found", SourceFailed),
     ("503 Service Unavailable", SourceFailed), ("501 Not Implemented", SourceFailed),
     ("408 Request Timeout", Unknown), ("520 Unknown Error", Unknown), ("522 Connection Timed Out", Unknown),
     ("524 A Timeout Occurred", Unknown), ("500 Internal Server Error", Unknown),
     ("502 Bad Gateway", Unknown), ("504 Gateway Timeout", Unknown)],
)  # fmt: skip
async def test_which_answers_are_sure(status: str, error: type[Exception]) -> None:
    body = b'{"code": 1, "error_code": "x", "msg": "what GoTrue says"}'
    async with servers.http({ADMIN: reply(body, status=status)}) as (base, asked):
        changes = opened(base)
        with pytest.raises(error, match=f"HTTP {status[:3]}: what GoTrue says"):
            await changes.ban(USER, timedelta(hours=1))
        await changes.close()
    assert len(asked) == 1, "a change is sent once"


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"[]", b'{"banned_until": "soon"}', b'{"banned_until": 7}']
)
async def test_a_done_change_whose_answer_cannot_be_read_is_unknown(body: bytes) -> None:
    async with servers.http({ADMIN: reply(body)}) as (base, _):
        changes = opened(base)
        with pytest.raises(Unknown, match="can't be read"):
            await changes.ban(USER, timedelta(hours=1))
        await changes.close()


async def test_a_declared_call_may_take_longer_or_shorter_than_the_others() -> None:
    async with servers.silent() as port:
        changes = opened(f"http://127.0.0.1:{port}")
        with pytest.raises(Unknown, match=r"timed out after 0\.2 s"):
            await changes.call("POST", f"http://127.0.0.1:{port}/hook", {"x": 1}, timeout_s=0.2)
        await changes.close()


async def test_a_declared_change_whose_answer_cannot_be_read_is_unknown_too() -> None:
    async with servers.http({"/hook": reply(b"nonsense")}) as (base, _):
        changes = opened(base)
        with pytest.raises(Unknown, match="can't be read"):
            await changes.call("POST", f"{base}/hook", {"x": 1})
        await changes.close()


async def test_a_mail_that_fails_after_the_password_was_set_is_unknown() -> None:
    async with servers.http({ADMIN: reply(b"{}")}) as (base, asked):
        changes = opened(base)
        with pytest.raises(Unknown, match="the password is reset, the recovery mail is not sure: HTTP 404"):
            await changes.reset_password(USER, "a@b.example")
        await changes.close()
    assert [path for path, _ in asked] == [ADMIN, "/auth/v1/recover"]


@pytest.mark.parametrize("rules", [[], [{"id": "a", "ip": "203.0.113.7", "hostname": "*", "action": "deny"}]])
async def test_a_change_of_the_firewall_that_breaks_after_sending_is_unknown(rules: list[object]) -> None:
    async def breaks(reader: asyncio.StreamReader, writer: servers.Writer) -> None:
        pass

    patch = "/v1/security/firewall/config?projectId=prj_x"
    active = "/v1/security/firewall/config/active?projectId=prj_x"
    lines: list[str] = []
    async with servers.http({active: reply(json.dumps({"ips": rules}).encode()), patch: breaks}) as (base, _):
        changes = opened(base)
        view = changes.traced(lines.append)
        with pytest.raises(Unknown):
            await (view.allow(NETWORK) if rules else view.deny(NETWORK, SECRETS["vercel_token"]))
        await changes.close()
    assert len(lines) == 1 and SECRETS["vercel_token"] not in lines[0]


async def test_a_rule_that_cannot_be_read_back_is_unknown() -> None:
    patch = "/v1/security/firewall/config?projectId=prj_x"
    active = "/v1/security/firewall/config/active?projectId=prj_x"
    async with servers.http({active: reply(b'{"ips": []}'), patch: reply(b"{}")}) as (base, asked):
        changes = opened(base)
        with pytest.raises(Unknown, match="not in the active configuration"):
            await changes.deny(NETWORK, "x")
        await changes.close()
    assert [path for path, _ in asked] == [active, patch, active]


@pytest.mark.parametrize(
    ("entry", "denies"),
    [({"id": "a", "ip": "203.0.113.0/24", "hostname": "*", "action": "deny", "notes": None}, True),
     ({"id": "a", "ip": "203.0.113.7", "hostname": "*", "action": "deny"}, True),
     ({"id": "a", "ip": "203.0.113.8", "hostname": "*", "action": "deny"}, False),
     ({"id": "a", "ip": "203.0.113.7", "hostname": "shop.example", "action": "deny"}, False),
     ({"id": "a", "ip": "203.0.113.7", "hostname": "*", "action": "bypass"}, False),
     ({"id": "a", "ip": "::/0", "hostname": "*", "action": "deny"}, False), ("nonsense", False),
     ({"id": "a", "ip": "nonsense", "hostname": "*", "action": "deny"}, False)],
)  # fmt: skip
async def test_which_rules_of_vercel_deny_an_address(entry: object, denies: bool) -> None:
    active = "/v1/security/firewall/config/active?projectId=prj_x"
    async with servers.http({active: reply(json.dumps({"ips": [entry]}).encode())}) as (base, _):
        changes = opened(base)
        assert bool(await changes.denied(NETWORK)) is denies
        await changes.close()


async def test_a_firewall_that_was_never_touched_denies_nobody_and_a_missing_project_says_so() -> None:
    active = "/v1/security/firewall/config/active?projectId=prj_x"
    for message, missing in (("Config not found", False), ("Project not found", True)):
        body = f'{{"error": {{"code": "not_found", "message": "{message}"}}}}'.encode()
        async with servers.http({active: reply(body, status="404 Not Found")}) as (base, _):
            changes = opened(base)
            if missing:
                with pytest.raises(SourceFailed, match="Project not found"):
                    await changes.denied(NETWORK)
            else:
                assert await changes.denied(NETWORK) == ()
            await changes.close()


async def test_a_deployment_of_vercel_is_found_by_its_mark_among_what_is_none() -> None:
    made = {"uid": "dpl_1", "url": "x.vercel.app", "state": "READY", "meta": {"tradex": "m1"}}
    entries = ["nonsense", {"meta": ["tradex"]}, {"meta": "m1"}, {"meta": {"tradex": "m1"}}, made]
    body = json.dumps({"deployments": entries}).encode()
    async with servers.http({"/v6/deployments?projectId=prj_x&limit=20": reply(body)}) as (base, _):
        changes = opened(base)
        assert await changes.frontend_of("m1") == Frontend("dpl_1", "x.vercel.app", True)
        assert await changes.frontend_of("m2") is None
        await changes.close()


@pytest.mark.parametrize("name", [*CALLS, *SQL_CALLS])
async def test_what_is_not_configured_is_no_source_and_named(name: str) -> None:
    changes = Changes.open(PlatformSettings())
    assert changes.configured == frozenset()
    with pytest.raises(NoSource, match=r"no source: platform\.\w+ is not set"):
        await (CALLS | SQL_CALLS)[name](changes)
    await changes.close()


def test_what_is_configured_is_known_without_asking() -> None:
    changes = Changes.open(PlatformSettings(base_url="http://127.0.0.1:9", service_key=SecretStr("x")))
    assert changes.configured == {"auth", "ops"}


@pytest.mark.parametrize("name", [*CALLS, *READS])
async def test_secrets_that_the_other_side_repeats_are_in_no_error_and_no_trace(name: str) -> None:
    said = '{"message": "bad ' + " ".join(SECRETS.values()) + '\\u001b]52;c;x\\u0007"}'

    class Everywhere(dict[str, bytes | servers.Handler]):
        def get(self, *_: object) -> bytes:
            return reply(said.encode(), status="400 Bad Request")

    lines: list[str] = []
    async with servers.http(Everywhere()) as (base, _):
        changes = opened(base)
        with pytest.raises(SourceFailed) as caught:
            await (CALLS | READS)[name](changes.traced(lines.append))
        await changes.close()
    chain, error = [], caught.value
    while error is not None:
        chain.append(repr(error) + str(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    everything = " ".join([*chain, *lines, repr(changes.settings)])
    assert "********" in chain[0] and not any(secret in everything for secret in SECRETS.values())
    assert "\x1b" not in everything
    assert bool(lines) == (name in CALLS)


async def test_a_secret_among_the_values_is_not_traced() -> None:
    lines: list[str] = []

    async def hang_up(reader: asyncio.StreamReader, _: servers.Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with servers.tcp(hang_up) as port:
        changes = opened(f"http://127.0.0.1:{port}").traced(lines.append)
        with pytest.raises(Unknown):
            await changes.ops("PUT", "/x", {"token": SECRETS["service_key"], "note": "plain"})
    assert lines == [f'PUT http://127.0.0.1:{port}/ops/v1/x {{"token": "********", "note": "plain"}}']
    await changes.close()


async def test_a_call_is_told_when_it_leaves_and_whoever_is_told_may_stop_it(nobody: str) -> None:
    lines: list[str] = []
    changes = opened(f"http://{nobody}").traced(lines.append)
    with pytest.raises(SourceFailed):
        await changes.ops("PUT", "/x", {})
    assert lines == [], "what reaches nobody is no call"
    await changes.close()
    came: asyncio.Queue[bytes] = asyncio.Queue()

    async def hear(reader: asyncio.StreamReader, _: servers.Writer) -> None:
        came.put_nowait(b"connected")
        came.put_nowait(await reader.read(1))

    def stop(_: str) -> None:
        raise SourceFailed("stood still for too long")

    async with servers.tcp(hear) as port:
        changes = opened(f"http://127.0.0.1:{port}").traced(stop)
        with pytest.raises(SourceFailed, match="stood still"):
            await changes.ops("PUT", "/x", {})
        await changes.close()
        assert [await came.get(), await came.get()] == [b"connected", b""]


@pytest.mark.parametrize(
    ("duration", "text"),
    [(timedelta(days=1), "24h"), (timedelta(minutes=90), "90m"), (timedelta(seconds=61), "61s"),
     (timedelta(days=36500), "876000h"), (timedelta(), "1s"), (timedelta(milliseconds=1600), "2s")],
)  # fmt: skip
def test_durations_as_go_reads_them(duration: timedelta, text: str) -> None:
    assert go_duration(duration) == text


@pytest.mark.parametrize("network", ["nonsense", "203.0.113.7/24", "2001:db8::/200"])
def test_an_allow_list_holds_networks_only(tmp_path: Path, network: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'[platform]\nallow_list = ["192.0.2.0/28", "{network}"]\n')
    with pytest.raises(
        Misuse, match=r"config\.toml:2: platform\.allow_list: expected addresses and networks"
    ):
        settings.load(file=file)


def test_a_token_of_the_wrong_type_is_not_repeated_and_a_sound_one_masked(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[platform]\nvercel_token = 12345678\n")
    with pytest.raises(Misuse) as caught:
        settings.load(file=file)
    assert "platform.vercel_token" in str(caught.value) and "12345678" not in str(caught.value)
    file.write_text('[platform]\nvercel_token = "planted"\nservice_key = "planted"\n')
    shown = {v.name: v.value for v in settings.load(file=file).values}
    assert shown["platform.vercel_token"] == shown["platform.service_key"] == settings.MASK
