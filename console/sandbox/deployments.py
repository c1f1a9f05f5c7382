"""The frontend's deployments at the simulated Vercel: immutable once built, one of them serves production. No HTTP."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from console.domain.text import printable
from console.sandbox import frontend, releases
from console.sandbox.blobs import Blobs
from console.sandbox.firewall import PROJECT, TEAM
from console.sandbox.kept import Kept
from console.sandbox.replies import ApiError

NAME = "trade-x-pro"
PATH = "/_vercel"
"""Below it each deployment has its own address, which never shows anything else."""


class Deployments:
    """`state` of a deployment is READY or ERROR: building takes no time here."""

    def __init__(self, kept: Kept, blobs: Blobs, host: str) -> None:
        self._kept = kept
        self._host = host
        self.blobs = blobs
        state = kept.section("deployments")
        self._known: dict[str, dict[str, Any]] = state.get("known", {})
        self._production: str = state.get("production", "")
        self.last_request: dict[str, Any] | None = state.get("last_request")
        if not self._known:
            made = self.create(releases.tree(releases.FIRST), {}, production=True, stay=False)
            self._production = made["id"]
            self._save()

    @property
    def version(self) -> str:
        """Of the package that serves production."""
        return self._known[self._production]["version"]

    @property
    def production(self) -> dict[str, Any]:
        return self._known[self._production]

    def find(self, name: str) -> dict[str, Any]:
        """By its id, its address or what follows the last slash of that; raises ApiError 404."""
        wanted = name.rstrip("/").rpartition("/")[2]
        if wanted not in self._known:
            raise ApiError(404, "not_found", "The deployment could not be found.")
        return self._known[wanted]

    def newest_first(self) -> list[dict[str, Any]]:
        return list(reversed(self._known.values()))

    def create(
        self, files: Mapping[str, bytes], meta: dict[str, str], *, production: bool, stay: bool
    ) -> dict[str, Any]:
        """Build a deployment; with `stay` production does not follow it. One whose build fails is kept as ERROR."""
        now = int(time.time() * 1000)
        error, dist, version = "", {}, ""
        try:
            version = printable(releases.version(dict(files)), 60)
            frontend.headers(files, "/")
            dist = {p: self.blobs.put(c) for p, c in frontend.build(files).items()}
        except (KeyError, ValueError, TypeError):
            error = "package.json: a name and a version are expected"
        except frontend.BuildFailed as failed:
            error = str(failed)
        made = {
            "id": f"dpl_{secrets.token_hex(14)}", "state": "ERROR" if error else "READY", "error": error,
            "target": "production" if production else None, "promoted": False, "created": now, "meta": meta,
            "version": version, "dist": dist, "config": self.blobs.put(files.get("vercel.json", b"{}")),
        }  # fmt: skip
        self._known = {**self._known, made["id"]: made}
        if production and not stay and not error:
            self.point(made["id"], "promote")
        else:
            self._save()
        return made

    def point(self, deployment_id: str, kind: str) -> bool:
        """Let production follow a deployment, by `promote` or `rollback`; whether that is a change.

        Raises ApiError: a rollback goes to what has served production before.
        """
        wanted = self.find(deployment_id)
        if wanted["state"] != "READY" or wanted["target"] != "production":
            raise ApiError(400, "bad_request", "The deployment is not a production deployment that is ready.")
        if kind == "rollback" and not wanted["promoted"]:
            raise ApiError(
                400, "bad_request", "The deployment has not served production: promote it instead."
            )
        changed = self._production != wanted["id"]
        self.last_request = {
            "fromDeploymentId": self._production or None, "toDeploymentId": wanted["id"], "type": kind,
            "jobStatus": "succeeded", "requestedAt": int(time.time() * 1000),
        }  # fmt: skip
        self._production = wanted["id"]
        self._known = {**self._known, wanted["id"]: {**wanted, "promoted": True}}
        self._save()
        return changed

    def serve(self, deployment: dict[str, Any], path: str) -> tuple[str, bytes, dict[str, str]]:
        """The file's name, its content and the headers of an answer; raises ApiError 404."""
        name = path.strip("/") or "index.html"
        digest = deployment["dist"].get(name)
        if digest is None:
            raise ApiError(404, "NOT_FOUND", "The page could not be found")
        config = {"vercel.json": self.blobs.get(deployment["config"])}
        return name, self.blobs.get(digest), frontend.headers(config, f"/{path.lstrip('/')}")

    def shown(self, deployment: dict[str, Any]) -> dict[str, Any]:
        """A deployment in the shape of `GET /v13/deployments/{id}`."""
        serving = deployment["id"] == self._production
        return {
            "id": deployment["id"], "name": NAME, "url": f"{self._host}{PATH}/{deployment['id']}/",
            "readyState": deployment["state"], "status": deployment["state"],
            "readySubstate": ("PROMOTED" if deployment["promoted"] else "STAGED") if not deployment["error"] else None,
            "target": deployment["target"], "createdAt": deployment["created"], "ready": deployment["created"],
            "projectId": PROJECT, "project": {"id": PROJECT, "name": NAME}, "ownerId": TEAM, "team": {"id": TEAM},
            "alias": [self._host] if serving else [], "aliasAssigned": serving, "meta": deployment["meta"],
            "errorCode": "BUILD_FAILED" if deployment["error"] else None,
            "errorMessage": deployment["error"] or None,
        }  # fmt: skip

    def _save(self) -> None:
        self._kept.put(
            "deployments",
            {"known": self._known, "production": self._production, "last_request": self.last_request},
        )


def meta_of(data: dict[str, Any]) -> dict[str, str]:
    """What a request says about its origin: `meta`, and `gitMetadata` as Vercel keeps it."""
    said = data.get("meta")
    meta = {printable(k, 80): printable(v) for k, v in said.items()} if isinstance(said, dict) else {}
    git = data.get("gitMetadata")
    if isinstance(git, dict):
        meta |= {printable(f"git{k[:1].upper()}{k[1:]}", 43): printable(v) for k, v in git.items()}
    return meta


def wanted_files(data: dict[str, Any], blobs: Blobs) -> tuple[dict[str, bytes], list[str]]:
    """The files that a request for a deployment names, and the digests of those that were not uploaded yet.

    Each is {"file", "sha"} (SHA-1 of what `/v2/files` got) or {"file", "data"}. Raises ApiError 400.
    """
    files: dict[str, bytes] = {}
    missing: list[str] = []
    listed = data.get("files")
    for entry in listed if isinstance(listed, list) else ():
        name, sha, inline = (
            (entry.get(k) for k in ("file", "sha", "data")) if isinstance(entry, dict) else (None,) * 3
        )
        if isinstance(name, str) and isinstance(inline, str):
            files[name] = inline.encode(errors="replace")
        elif isinstance(name, str) and isinstance(sha, str):
            if sha in blobs:
                files[name] = blobs.get(sha)
            else:
                missing.append(sha)
        else:
            raise ApiError(
                400, "bad_request", "Invalid request: `files` should have `file` and `sha` or `data`."
            )
    if not files and not missing:
        raise ApiError(400, "bad_request", "Invalid request: `files` should NOT be empty.")
    return files, missing
