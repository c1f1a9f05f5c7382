"""The part of Vercel's REST API that a deployment uses (vercel.com/docs/rest-api), and what visitors get of it: each
deployment below its own address, and the one that serves production at `/` and `/assets`."""

from __future__ import annotations

import hashlib
import mimetypes

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from console.sandbox.deployments import NAME, meta_of, wanted_files
from console.sandbox.firewall import PROJECT, TEAM
from console.sandbox.identity import service_of
from console.sandbox.replies import ApiError, body, json_object
from console.sandbox.vercel import admit

_LARGEST_FILE = 2_000_000
_MOST_LISTED = 100


async def upload(request: Request) -> Response:
    """One file, whose SHA-1 the header `x-now-digest` says."""
    admit(request, team_only=True)
    content = await body(request, _LARGEST_FILE)
    digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    if request.headers.get("x-now-digest", request.headers.get("x-vercel-digest")) != digest:
        raise ApiError(400, "bad_request", "The digest is not that of the file.")
    try:
        service_of(request).deployments.blobs.put(content)
    except UnicodeDecodeError:
        raise ApiError(400, "bad_request", "Files of text are expected here.") from None
    return JSONResponse({"urls": []})


async def create(request: Request) -> Response:
    """A deployment of files that were uploaded, or come along; 400 `missing_files` lists those that were not."""
    admit(request, team_only=True)
    service, data = service_of(request), await json_object(request)
    if data.get("project", data.get("name")) not in (PROJECT, NAME):
        raise ApiError(404, "not_found", "Project not found")
    files, missing = wanted_files(data, service.deployments.blobs)
    if missing:
        error = {"code": "missing_files", "message": "Missing files", "missing": missing}
        return JSONResponse({"error": error}, status_code=400)
    made = service.deployments.create(
        files,
        meta_of(data),
        production=data.get("target") == "production",
        stay=data.get("autoAssignCustomDomains") is False,
    )
    await service.record("deployment", made["id"], state=made["state"], version=made["version"])
    return JSONResponse(service.deployments.shown(made))


async def get(request: Request) -> Response:
    admit(request, team_only=True)
    deployments = service_of(request).deployments
    return JSONResponse(deployments.shown(deployments.find(request.path_params["deployment"])))


async def listed(request: Request) -> Response:
    """`?projectId=&limit=&target=`, the newest first."""
    admit(request)
    deployments, target = service_of(request).deployments, request.query_params.get("target")
    text = request.query_params.get("limit", "20")
    limit = min(int(text), _MOST_LISTED) if text.isascii() and text.isdigit() and len(text) < 6 else 20
    found = [deployments.shown(d) for d in deployments.newest_first() if target in (None, d["target"])][
        :limit
    ]
    rows = [{**d, "uid": d["id"], "created": d["createdAt"], "state": d["readyState"]} for d in found]
    return JSONResponse({"deployments": rows, "pagination": {"count": len(rows), "next": None, "prev": None}})


async def point(request: Request) -> Response:
    """Promote, or roll back to, a deployment: production follows it from now on."""
    admit(request)
    service = service_of(request)
    kind = "rollback" if "/rollback/" in request.url.path else "promote"
    deployment = service.deployments.find(request.path_params["deployment"])
    changed = service.deployments.point(deployment["id"], kind)
    await service.record(kind, deployment["id"], changed=changed, version=deployment["version"])
    return JSONResponse({}, status_code=201)


async def visit(request: Request) -> Response:
    """A page or a file of the deployment in the address, else of the one that serves production."""
    deployments = service_of(request).deployments
    name = request.path_params.get("deployment")
    deployment = deployments.production if name is None else deployments.find(name)
    path = request.path_params.get("path", "" if name else request.url.path)
    file, content, headers = deployments.serve(deployment, path)
    kind = mimetypes.guess_type(file)[0] or "application/octet-stream"
    return Response(
        content, media_type=kind, headers=headers | {"x-vercel-id": f"{TEAM}::{deployment['id']}"}
    )
