"""The edge functions that are deployed: what Supabase keeps of each, and the numbers that its source names.

The simulator does what the functions do; the constants in their deployed source say how. No HTTP here.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

from console.sandbox import releases
from console.sandbox.blobs import Blobs
from console.sandbox.kept import Kept
from console.sandbox.replies import ApiError

REF = "tradexprosandboxdemo"
"""The project's reference: 20 lower-case letters, as Supabase's are."""
SLUGS = ("execute-order", "get-stock-price", "risk-monitoring", "health-check")
_CONSTANT = re.compile(r"^export const ([A-Z][A-Z0-9_]*) = (\d[\d_]*(?:\.\d+)?);", re.MULTILINE)
_NAMESPACE = uuid.UUID("5d1c5e0a-7f0e-4c6b-9a57-1d8f0c5a2b11")


class NotStarted(ApiError):
    """The function's source does not hold what it needs, so its worker ends at its start."""

    def __init__(self, missing: str) -> None:
        super().__init__(503, "BOOT_ERROR", "Function failed to start (please check logs)")
        self.missing = missing


def entrypoint(slug: str) -> str:
    return f"supabase/functions/{slug}/index.ts"


class EdgeFunctions:
    """`deploy` and `replace` keep a function before it runs."""

    def __init__(self, kept: Kept, blobs: Blobs) -> None:
        self._kept = kept
        self._blobs = blobs
        self._functions: dict[str, dict[str, Any]] = kept.section("functions")
        self._constants: dict[str, dict[str, float]] = {}
        if not self._functions:
            files = releases.tree(releases.FIRST)
            for slug in SLUGS:
                path = entrypoint(slug)
                self.deploy(slug, slug, path, True, {path: files[path].decode()})

    def list(self) -> list[dict[str, Any]]:
        return [dict(f) for f in self._functions.values()]

    def get(self, slug: str) -> dict[str, Any] | None:
        """{id, slug, name, status, version, created_at, updated_at (ms), verify_jwt, entrypoint_path, ezbr_sha256}."""
        found = self._functions.get(slug)
        return dict(found) if found is not None else None

    def body(self, slug: str) -> bytes:
        """The bundle of a function that is deployed."""
        return self._blobs.get(self._functions[slug]["ezbr_sha256"])

    def bundle(
        self, slug: str, name: str, path: str, verify_jwt: bool | None, files: Mapping[str, str]
    ) -> dict[str, Any]:
        """What the function would be with these files; nothing runs differently yet."""
        content = json.dumps({"entrypoint": path, "files": dict(sorted(files.items()))}).encode()
        known = self._functions.get(slug)
        if verify_jwt is None:
            verify_jwt = known["verify_jwt"] if known else True
        now = int(time.time() * 1000)
        new = {
            "id": str(uuid.uuid5(_NAMESPACE, slug)), "slug": slug, "name": name, "status": "ACTIVE", "version": 1,
            "created_at": known["created_at"] if known else now, "updated_at": now, "verify_jwt": verify_jwt,
            "entrypoint_path": path, "ezbr_sha256": self._blobs.put(content),
        }  # fmt: skip
        return new if known is None else self._numbered(known, new)

    def deploy(
        self, slug: str, name: str, path: str, verify_jwt: bool | None, files: Mapping[str, str]
    ) -> dict[str, Any]:
        """The function as it runs from now on: a new version where anything differs."""
        made = self.bundle(slug, name, path, verify_jwt, files)
        self._put({**self._functions, slug: made})
        return dict(made)

    def replace(self, wanted: list[dict[str, Any]]) -> None:
        """Several functions at once, of bundles that `bundle` made; raises KeyError for one it did not."""
        changed = dict(self._functions)
        for record in wanted:
            if record["ezbr_sha256"] not in self._blobs:
                raise KeyError(record["ezbr_sha256"])
            known = self._functions.get(record["slug"])
            now = int(time.time() * 1000)
            new = {"created_at": now, **record, "updated_at": now, "version": 1}
            changed[record["slug"]] = new if known is None else self._numbered(known, new)
        self._put(changed)

    def constant(self, slug: str, name: str) -> float:
        """What the running source of a function says; raises ApiError 404 or 503."""
        self.require(slug)
        if slug not in self._constants:
            files = json.loads(self.body(slug))
            source = files["files"].get(files["entrypoint"], "")
            self._constants[slug] = {n: float(v.replace("_", "")) for n, v in _CONSTANT.findall(source)}
        try:
            return self._constants[slug][name]
        except KeyError:
            raise NotStarted(name) from None

    def require(self, slug: str) -> None:
        """Raises ApiError 404 for a function that is not deployed."""
        if slug not in self._functions:
            raise ApiError(404, "NOT_FOUND", "Requested function was not found")

    @staticmethod
    def _numbered(known: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
        """What is the same stays what it was; anything else is the next version of it."""
        same = all(known[k] == new[k] for k in ("ezbr_sha256", "verify_jwt", "entrypoint_path", "name"))
        return dict(known) if same else {**new, "version": known["version"] + 1}

    def _put(self, functions: dict[str, dict[str, Any]]) -> None:
        self._kept.put("functions", functions)
        self._functions = functions
        self._constants.clear()
