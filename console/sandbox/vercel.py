"""The part of Vercel's REST API that operators use (vercel.com/docs/rest-api): firewall and pause of a project.
Deployments are in vercel_deployments.py."""

from __future__ import annotations

import hmac
import ipaddress

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from console.sandbox.config import vercel_token
from console.sandbox.deployments import NAME
from console.sandbox.firewall import PROJECT, TEAM
from console.sandbox.identity import service_of, token_of
from console.sandbox.replies import ApiError, json_object

_ACTIONS = ("deny", "challenge", "log", "bypass")


async def patch_config(request: Request) -> Response:
    """{"action": "ip.insert" | "ip.remove", "id": null | ID, "value": {ip, hostname, action, notes}}."""
    admit(request)
    service, data = service_of(request), await json_object(request)
    if data.get("action") == "ip.insert":
        value = data.get("value")
        if not isinstance(value, dict):
            raise _bad("`value` should be object")
        ip, action = _network(value.get("ip")), value.get("action")
        if action not in _ACTIONS:
            raise _bad(f"`value.action` should be equal to one of the allowed values: {', '.join(_ACTIONS)}")
        notes, hostname = value.get("notes", ""), value.get("hostname")
        if not isinstance(notes, str) or not isinstance(hostname, str):
            raise _bad("`value.hostname` and `value.notes` should be string")
        rule_id = service.firewall.insert(ip, hostname, action, notes)
        await service.record("ip.insert", ip, id=rule_id, action=action)
    elif data.get("action") == "ip.remove":
        gone = service.firewall.remove(str(data.get("id")))
        await service.record("ip.remove", str(data.get("id"))[:80], changed=gone is not None)
        if gone is None:
            raise ApiError(404, "not_found", "IP rule not found")
    else:
        raise _bad("`action` should be equal to one of the allowed values: ip.insert, ip.remove")
    return JSONResponse(service.firewall.config())


async def active_config(request: Request) -> Response:
    """The active configuration; 404 as long as none was ever made."""
    admit(request)
    firewall = service_of(request).firewall
    if firewall.version == 0:
        raise ApiError(404, "not_found", "Config not found")
    return JSONResponse(firewall.config())


async def project(request: Request) -> Response:
    """The project: `paused`, what serves production, and who was last asked to."""
    admit(request)
    service = service_of(request)
    deployments = service.deployments
    return JSONResponse(
        {
            "id": PROJECT,
            "accountId": TEAM,
            "name": NAME,
            "paused": service.firewall.paused,
            "targets": {"production": deployments.shown(deployments.production)},
            "lastAliasRequest": deployments.last_request,
        }
    )


async def pause(request: Request) -> Response:
    """Take the frontend off, or with unpause on again."""
    admit(request)
    service, wanted = service_of(request), request.url.path.rpartition("/")[2]
    changed = service.firewall.pause(wanted == "pause")
    await service.record(wanted, PROJECT, changed=changed)
    return JSONResponse({})


def admit(request: Request, *, team_only: bool = False) -> None:
    """The right token for the right team and, unless `team_only`, project; raises ApiError 403 or 404."""
    expected = vercel_token(service_of(request).config.database_password)
    if not hmac.compare_digest(token_of(request).encode(), expected.encode()):
        raise ApiError(403, "forbidden", "Not authorized")
    if request.query_params.get("teamId", TEAM) != TEAM:
        raise ApiError(
            403, "forbidden", "Not authorized: Trying to access resource under scope of another team"
        )
    if team_only:
        return
    if (request.path_params.get("project") or request.query_params.get("projectId")) != PROJECT:
        raise ApiError(404, "not_found", "Project not found")


def _network(value: object) -> str:
    """An address or a range as it was given; raises ApiError 400."""
    try:
        if isinstance(value, str):
            ipaddress.ip_network(value, strict=False)
            return value
    except ValueError:
        pass
    raise _bad("`value.ip` should be an IP address or a CIDR range")


def _bad(message: str) -> ApiError:
    return ApiError(400, "bad_request", f"Invalid request: {message}.")
