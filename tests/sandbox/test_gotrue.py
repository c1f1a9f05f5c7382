"""GoTrue's part: sessions and refresh tokens, the admin endpoints, a lost password; each asked over HTTP."""

import json
from typing import Any

import httpx
import pytest

from console.sandbox import people
from console.sandbox.people import Person
from tests.sandbox.platform import Platform, order, somebody


async def log_in(platform: Platform, person: Person, password: str | None = None) -> httpx.Response:
    plain = password or people.password(platform.config.database_password, person.email)
    async with platform.client() as client:
        return await client.post(
            "/auth/v1/token?grant_type=password", json={"email": person.email, "password": plain}
        )


async def renew(platform: Platform, refresh_token: str) -> httpx.Response:
    async with platform.client() as client:
        return await client.post(
            "/auth/v1/token?grant_type=refresh_token", json={"refresh_token": refresh_token}
        )


async def put(platform: Platform, person: Person, **body: Any) -> httpx.Response:
    async with platform.client(token=platform.service_key) as client:
        return await client.put(f"/auth/v1/admin/users/{person.id}", json=body)


def _refused(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"code", "error_code", "msg"}
    assert (body["code"], body["error_code"]) == (status, code) and body["msg"]


async def test_a_log_in_opens_a_session_whose_token_is_renewed_once_each_time(platform: Platform) -> None:
    person = somebody()
    first = (await log_in(platform, person)).json()
    assert first["refresh_token"] and first["token_type"] == "bearer" and first["expires_in"] == 3600
    count = "SELECT count(*) FROM auth.sessions WHERE user_id = $1"
    assert await platform.value(count, person.id) == 1
    second = await renew(platform, first["refresh_token"])
    assert second.status_code == 200 and second.json()["refresh_token"] != first["refresh_token"]
    _refused(await renew(platform, first["refresh_token"]), 400, "refresh_token_not_found")
    async with platform.client(token=second.json()["access_token"]) as client:
        assert (await client.get("/api/user/profile")).status_code == 200
    assert await platform.value(count, person.id) == 1


async def test_a_session_that_is_gone_renews_nothing_and_its_access_token_lives_on(
    platform: Platform,
) -> None:
    person = somebody()
    session = (await log_in(platform, person)).json()
    await platform.execute("DELETE FROM auth.sessions WHERE user_id = $1", person.id)
    _refused(await renew(platform, session["refresh_token"]), 400, "refresh_token_not_found")
    async with platform.client(token=session["access_token"]) as client:
        assert (await client.post("/functions/v1/execute-order", json=order())).status_code == 200


async def test_logging_out_ends_the_session(platform: Platform) -> None:
    session = (await log_in(platform, somebody())).json()
    async with platform.client(token=session["access_token"]) as client:
        assert (await client.post("/auth/v1/logout")).status_code == 204
    _refused(await renew(platform, session["refresh_token"]), 400, "refresh_token_not_found")


@pytest.mark.parametrize("token", [None, 7, "", "x" * 300, "nonsense"])
async def test_what_is_no_refresh_token_is_refused(platform: Platform, token: Any) -> None:
    assert (await renew(platform, token)).status_code == 400


async def test_a_ban_stops_log_in_and_renewal_and_none_lifts_it(platform: Platform) -> None:
    person = somebody()
    session = (await log_in(platform, person)).json()
    answer = await put(platform, person, ban_duration="24h")
    assert answer.status_code == 200 and answer.json()["banned_until"]
    left = "SELECT banned_until - now() FROM auth.users WHERE id = $1"
    assert 23.9 < (await platform.value(left, person.id)).total_seconds() / 3600 <= 24
    _refused(await renew(platform, session["refresh_token"]), 400, "user_banned")
    assert (await log_in(platform, person)).status_code == 403
    async with platform.client(token=session["access_token"]) as client:
        placed = await client.post("/functions/v1/execute-order", json=order())
    assert placed.status_code == 200, "an issued token outlives a ban: that is why the status is set too"
    lifted = await put(platform, person, ban_duration="none")
    assert "banned_until" not in lifted.json()
    assert (await log_in(platform, person)).status_code == 200
    assert (await renew(platform, session["refresh_token"])).status_code == 200


@pytest.mark.parametrize(
    ("text", "seconds"), [("1h30m", 5400), ("90m", 5400), ("1.5h", 5400), ("300ms", 0.3)]
)
async def test_bans_are_of_gos_durations(platform: Platform, text: str, seconds: float) -> None:
    person = somebody()
    before = await platform.value("SELECT now()")
    assert (await put(platform, person, ban_duration=text)).status_code == 200
    until = await platform.value("SELECT banned_until FROM auth.users WHERE id = $1", person.id)
    assert seconds <= (until - before).total_seconds() < seconds + 10


@pytest.mark.parametrize("text", ["1d", "24", "", "h", "forever", "-1h", "1h 2m", 24, None, "9" * 30 + "h"])
async def test_what_go_does_not_take_for_a_duration_is_refused(platform: Platform, text: Any) -> None:
    person = somebody()
    _refused(await put(platform, person, ban_duration=text), 400, "validation_failed")
    assert await platform.value("SELECT banned_until FROM auth.users WHERE id = $1", person.id) is None
    assert await platform.effects("auth_user", person.id) == 0


@pytest.mark.parametrize("key", ["none", "anon", "person", "garbage"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_admin_endpoints_are_for_the_service_key_only(
    platform: Platform, method: str, key: str
) -> None:
    person = somebody()
    token = {"none": None, "anon": platform.anon, "person": platform.token(person), "garbage": "x"}[key]
    async with platform.client(token=token) as client:
        answer = await client.request(
            method, f"/auth/v1/admin/users/{person.id}", json={"ban_duration": "1h"}
        )
    _refused(answer, 403, "not_admin")


async def test_a_user_as_gotrue_gives_it(platform: Platform) -> None:
    person = somebody()
    async with platform.client(token=platform.service_key) as client:
        user = (await client.get(f"/auth/v1/admin/users/{person.id}")).json()
        assert (user["id"], user["email"], user["aud"]) == (person.id, person.email, "authenticated")
        assert "banned_until" not in user and user["created_at"]
        missing = await client.get("/auth/v1/admin/users/00000000-0000-4000-8000-000000000000")
        _refused(missing, 404, "user_not_found")
        _refused(await client.get("/auth/v1/admin/users/1"), 404, "validation_failed")


async def test_a_lost_password_is_set_anew_by_who_reads_the_mail(platform: Platform) -> None:
    person = somebody()
    session = (await log_in(platform, person)).json()
    assert (await put(platform, person, password="nobody knows this one")).status_code == 200
    _refused(await renew(platform, session["refresh_token"]), 400, "refresh_token_not_found")
    assert (await log_in(platform, person)).status_code == 400
    async with platform.client() as client:
        assert (await client.post("/auth/v1/recover", json={"email": person.email})).status_code == 200
    async with platform.client(token=platform.config.control_token) as control:
        (mail,) = (await control.get(f"/sandbox/outbox?email={person.email}")).json()["mail"]
    body = {"type": "recovery", "email": person.email, "token": mail["token"]}
    async with platform.client() as client:
        opened = await client.post("/auth/v1/verify", json=body)
        assert opened.status_code == 200
        _refused(await client.post("/auth/v1/verify", json=body), 403, "otp_expired")
    async with platform.client(token=opened.json()["access_token"]) as client:
        _refused(await client.put("/auth/v1/user", json={"password": "short"}), 422, "weak_password")
        assert (await client.put("/auth/v1/user", json={"password": "a new one"})).status_code == 200
    assert (await log_in(platform, person, "a new one")).status_code == 200
    detail = await platform.value(
        "SELECT string_agg(detail::text, '') FROM sandbox.effect_log WHERE target = $1", person.id
    )
    assert "password" in detail and "nobody knows" not in detail


@pytest.mark.parametrize("letter", ["\0", "\ud800"])
@pytest.mark.parametrize("field", ["email", "token"])
async def test_what_no_text_can_hold_opens_no_mail(platform: Platform, field: str, letter: str) -> None:
    body = {"type": "recovery", "email": "a@b.example", "token": "x"} | {field: f"a{letter}b"}
    async with platform.client() as client:
        answer = await client.post("/auth/v1/verify", content=json.dumps(body))
    assert answer.status_code == 400


async def test_nobody_learns_from_recover_who_has_an_account(platform: Platform) -> None:
    async with platform.client() as client:
        answer = await client.post("/auth/v1/recover", json={"email": "stranger@nowhere.example"})
    assert (answer.status_code, answer.json()) == (200, {})
    query = "SELECT count(*) FROM sandbox.outbox WHERE recipient LIKE 'stranger%'"
    assert await platform.value(query) == 0


async def test_mail_is_read_with_the_control_token_only(platform: Platform) -> None:
    async with platform.client(token=platform.service_key) as client:
        assert (await client.get("/sandbox/outbox?email=x")).status_code == 401
