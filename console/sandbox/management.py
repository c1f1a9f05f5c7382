"""The part of Supabase's Management API that a deployment uses (supabase.com/docs/reference/api): the project, its
edge functions, its backups. Requests as the CLI 3.1 sends them."""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime, time, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from console.domain.text import printable
from console.sandbox.config import supabase_token
from console.sandbox.edge import REF
from console.sandbox.identity import service_of, token_of
from console.sandbox.replies import ApiError, body, parsed
from console.sandbox.service import Service

NAME = "trade-x-pro"
_REGION = "eu-central-1"
_LARGEST_DEPLOY = 1_000_000
_SLUG = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_BACKUP_AT = time(2, 15, tzinfo=UTC)
_BACKUPS = 7
_KEPT = (
    "id",
    "slug",
    "name",
    "status",
    "version",
    "created_at",
    "verify_jwt",
    "entrypoint_path",
    "ezbr_sha256",
)


class Refused(ApiError):
    """A refusal in the shape of this API: {"message": ...}."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, "refused", message)

    def response(self, request_id: str) -> Response:
        return JSONResponse({"message": self.message}, status_code=self.status)


async def project(request: Request) -> Response:
    _admit(request)
    return JSONResponse(
        {
            "id": REF, "ref": REF, "organization_id": NAME, "organization_slug": NAME, "name": NAME, "region": _REGION,
            "created_at": "2025-03-10T08:00:00Z", "status": "ACTIVE_HEALTHY",
            "database": {"host": f"db.{REF}.supabase.co", "version": "17", "postgres_engine": "17",
                         "release_channel": "ga"},
        }
    )  # fmt: skip


async def functions(request: Request) -> Response:
    return JSONResponse(_admit(request).edge.list())


async def function(request: Request) -> Response:
    return JSONResponse(_function(request))


async def function_body(request: Request) -> Response:
    """The bundle, whose SHA-256 is the function's `ezbr_sha256`."""
    found = _function(request)
    return Response(service_of(request).edge.body(found["slug"]), media_type="application/octet-stream")


async def deploy(request: Request) -> Response:
    """`?slug=`: multipart with one `metadata` and a `file` for each source file. With `bundleOnly=true` nothing runs
    differently until `replace` is asked for it."""
    service = _admit(request)
    slug = request.query_params.get("slug", "")
    if not _SLUG.fullmatch(slug):
        raise Refused(400, "slug: a letter, then letters, digits, - and _ are expected")
    metadata, files = _parts(request.headers.get("content-type", ""), await body(request, _LARGEST_DEPLOY))
    path = metadata.get("entrypoint_path")
    if not isinstance(path, str) or path not in files:
        raise Refused(400, f"Failed to bundle the function (reason: entrypoint path does not exist {path!r})")
    verify = metadata.get("verify_jwt")
    arguments = (
        slug, printable(metadata.get("name") or slug, 64), path, verify if isinstance(verify, bool) else None, files,
    )  # fmt: skip
    if request.query_params.get("bundleOnly") == "true":
        return JSONResponse(service.edge.bundle(*arguments), status_code=201)
    await service.change_functions(service.edge.deploy, *arguments)
    return JSONResponse(service.edge.get(slug), status_code=201)


async def replace(request: Request) -> Response:
    """Several bundled functions at once: all of them run, or none."""
    service = _admit(request)
    try:
        wanted = [
            {k: printable(f[k]) if isinstance(f[k], str) else f[k] for k in _KEPT if k in f}
            for f in parsed(await body(request))
        ]
        if not all(_SLUG.fullmatch(f["slug"]) and isinstance(f["ezbr_sha256"], str) for f in wanted):
            raise ValueError("text is expected")
        sound = [
            {**(service.edge.get(f["slug"]) or {}), "verify_jwt": True, "name": f["slug"], **f}
            for f in wanted
        ]
        await service.change_functions(service.edge.replace, sound)
    except (ValueError, TypeError, KeyError):
        raise Refused(400, "a list of functions that were bundled is expected") from None
    return JSONResponse({"functions": [service.edge.get(f["slug"]) for f in wanted]})


async def backups(request: Request) -> Response:
    """One each night, the newest first."""
    _admit(request)
    now = datetime.now(UTC)
    last = datetime.combine(now.date(), _BACKUP_AT)
    nights = [
        (last if last <= now else last - timedelta(days=1)) - timedelta(days=n) for n in range(_BACKUPS)
    ]
    return JSONResponse(
        {
            "region": _REGION, "walg_enabled": True, "pitr_enabled": False,
            "backups": [
                {"is_physical_backup": True, "status": "COMPLETED", "inserted_at": at.isoformat()} for at in nights
            ],
            "physical_backup_data": {},
        }
    )  # fmt: skip


def _admit(request: Request) -> Service:
    """The service, for the right token and the right project; raises ApiError 401 or 404."""
    service = service_of(request)
    expected = supabase_token(service.config.database_password)
    if not hmac.compare_digest(token_of(request).encode(), expected.encode()):
        raise Refused(401, "Unauthorized")
    if request.path_params["ref"] != REF:
        raise Refused(404, "Project not found")
    return service


def _function(request: Request) -> dict[str, Any]:
    found = _admit(request).edge.get(request.path_params["slug"])
    if found is None:
        raise Refused(404, "Function not found")
    return found


def _parts(content_type: str, content: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    """The metadata and the files of a multipart body (RFC 7578); raises ApiError 400."""
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    metadata: Any = None
    files: dict[str, str] = {}
    try:
        for part in content.split(b"--" + boundary[1].encode())[1:-1] if boundary else ():
            head, _, value = part.partition(b"\r\n\r\n")
            names = dict(re.findall(r'\b(name|filename)="([^"]*)"', head.decode()))
            if names.get("name") == "metadata":
                metadata = parsed(value)
            elif names.get("name") == "file":
                files[names["filename"]] = value.removesuffix(b"\r\n").decode()
    except (ValueError, KeyError):
        metadata = None
    if not isinstance(metadata, dict):
        raise Refused(400, "multipart/form-data with metadata and files of text is expected")
    return metadata, files
