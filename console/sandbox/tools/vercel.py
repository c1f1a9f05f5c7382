"""Stand-in for Vercel's CLI 50.44.0 (compared with its source): `deploy`, `promote`, `rollback`, their `status`, and
`inspect`. The deployment's address is all there is on stdout, everything else is on stderr.

It finds the API as the real one does: `--api URL`, else `api` in config.json of the folder that `--global-config`
names, by default com.vercel.cli below XDG_DATA_HOME (the real one takes https only). The token is VERCEL_TOKEN, team
and project are VERCEL_ORG_ID and VERCEL_PROJECT_ID. `--token`, which the real one takes too, is refused here: arguments
are seen by everybody.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from console.sandbox.tools.command import Arguments, Flag, Stop, UnknownFlag, client, err, out, parse

VERSION = "50.44.0"
_GLOBAL = {
    "--cwd": Flag.VALUE, "--debug": Flag.SWITCH, "--global-config": Flag.VALUE, "--help": Flag.SWITCH,
    "--local-config": Flag.VALUE, "--no-color": Flag.SWITCH, "--non-interactive": Flag.SWITCH, "--scope": Flag.VALUE,
    "--token": Flag.VALUE, "--version": Flag.SWITCH, "--api": Flag.VALUE,
}  # fmt: skip
_SHORT = {"-d": "--debug", "-Q": "--global-config", "-h": "--help", "-A": "--local-config", "-S": "--scope",
          "-t": "--token", "-v": "--version", "-y": "--yes", "-b": "--build-env", "-e": "--env", "-f": "--force",
          "-F": "--format", "-l": "--logs", "-m": "--meta", "-p": "--public"}  # fmt: skip
_COMMANDS = {
    "deploy": {
        "--archive": Flag.VALUE, "--build-env": Flag.VALUE, "--env": Flag.VALUE, "--force": Flag.SWITCH,
        "--format": Flag.VALUE, "--guidance": Flag.SWITCH, "--logs": Flag.SWITCH, "--meta": Flag.VALUE,
        "--no-wait": Flag.SWITCH, "--prebuilt": Flag.SWITCH, "--prod": Flag.SWITCH, "--public": Flag.SWITCH,
        "--regions": Flag.VALUE, "--skip-domain": Flag.SWITCH, "--target": Flag.VALUE, "--with-cache": Flag.SWITCH,
        "--yes": Flag.SWITCH,
    },
    "promote": {"--timeout": Flag.VALUE, "--yes": Flag.SWITCH},
    "rollback": {"--timeout": Flag.VALUE, "--yes": Flag.SWITCH},
    "inspect": {"--format": Flag.VALUE, "--logs": Flag.SWITCH, "--timeout": Flag.VALUE, "--wait": Flag.SWITCH},
}  # fmt: skip
_NOT_UPLOADED = {".git", ".vercel", "node_modules", "dist"}
_DONE = {"promote": "promoted", "rollback": "rolled back"}
_RECENT_MS = 180_000


def _api_url(given: Arguments) -> str:
    url = given.get("--api")
    if url is None:
        data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
        config = Path(given.get("--global-config") or Path(data) / "com.vercel.cli") / "config.json"
        try:
            url = json.loads(config.read_text()).get("api")
        except (OSError, ValueError, AttributeError):
            url = None
    if not url:
        raise Stop(
            "Error: this stand-in speaks to the simulated platform only: `api` of config.json is not set"
        )
    return url


class Cli:
    def __init__(self, given: Arguments) -> None:
        self._given = given
        if given.has("--token"):
            raise Stop("Error: this stand-in takes its token from VERCEL_TOKEN only")
        token = os.environ.get("VERCEL_TOKEN", "")
        if not token:
            raise Stop('Error: No existing credentials found. Please run `vercel login` or pass "--token"')
        self._team, self._project = (os.environ.get(n, "") for n in ("VERCEL_ORG_ID", "VERCEL_PROJECT_ID"))
        if not self._team or not self._project:
            raise Stop(
                "Error: Your codebase isn't linked to a project on Vercel. Set VERCEL_ORG_ID and VERCEL_PROJECT_ID."
            )
        self._api = client(_api_url(given), token, f"vercel {VERSION}")
        self._query = {"teamId": self._team}

    def deploy(self, operands: list[str]) -> int:
        root = Path(operands[0] if operands else self._given.get("--cwd") or ".")
        if self._given.has("--prebuilt") or self._given.has("--archive"):
            raise Stop("Error: this stand-in takes neither --prebuilt nor --archive")
        paths = sorted(
            p for p in root.rglob("*") if p.is_file() and not _NOT_UPLOADED & set(p.relative_to(root).parts)
        )
        contents = {p.relative_to(root).as_posix(): p.read_bytes() for p in paths}
        shas = {name: hashlib.sha1(c, usedforsecurity=False).hexdigest() for name, c in contents.items()}
        production = self._given.has("--prod") or self._given.get("--target") == "production"
        body: dict[str, Any] = {
            "name": self._project, "project": self._project, "version": 2,
            "files": [{"file": n, "sha": shas[n], "size": len(c)} for n, c in contents.items()],
            "meta": dict([m.split("=", 1)] if "=" in (m := self._given.get("--meta") or "") else []),
            "gitMetadata": _git(root),
        }  # fmt: skip
        if production:
            body["target"] = "production"
        if self._given.has("--skip-domain"):
            body["autoAssignCustomDomains"] = False
        err("Retrieving project…")
        answer = self._api.post("/v13/deployments", params=self._query, json=body)
        if answer.status_code == 400 and answer.json()["error"]["code"] == "missing_files":
            missing = set(answer.json()["error"]["missing"])
            wanted = {shas[n]: c for n, c in contents.items() if shas[n] in missing}
            err(f"Uploading {len(wanted)} files ({sum(map(len, wanted.values())) / 1000:.1f}KB)")
            for sha, content in wanted.items():
                headers = {"x-now-digest": sha, "x-now-size": str(len(content))}
                _answer(self._api.post("/v2/files", params=self._query, content=content, headers=headers))
            answer = self._api.post("/v13/deployments", params=self._query, json=body)
        made = _answer(answer)
        url = self._address(made)
        err(f"Inspect: {self._api.base_url.join('/v13/deployments/' + made['id'])}")
        err(f"{'Production' if production else 'Preview'}: {url}")
        out(url)
        if made["readyState"] == "ERROR":
            err(f'{made["errorMessage"]}\nError: Command "npm run build" exited with 1')
            return 1
        return 0

    def point(self, kind: str, operands: list[str]) -> int:
        if operands[:1] == ["status"]:
            return self._status(kind, performing=False)
        if len(operands) != 1:
            raise Stop(f"Error: The {kind} command expects one deployment: vercel {kind} <deployment id/url>")
        deployment = self._find(operands[0])
        _answer(
            self._api.post(
                f"/v{'10' if kind == 'promote' else '9'}/projects/{self._project}/{kind}/{deployment['id']}",
                params=self._query, json={},
            )
        )  # fmt: skip
        if self._given.get("--timeout") in ("0", "0s"):
            err(
                f"> Successfully requested {kind} of {deployment['name']} to {deployment['url']} ({deployment['id']})"
            )
            return 0
        return self._status(kind, performing=True)

    def inspect(self, operands: list[str]) -> int:
        if len(operands) != 1:
            raise Stop("Error: vercel inspect <url|id> expects one deployment")
        found = self._find(operands[0])
        if self._given.get("--format") == "json":
            out(json.dumps(found, indent=2))
        elif self._given.has("--logs"):
            err(found["errorMessage"] or "Build Completed")
        else:
            rows = {"id": found["id"], "name": found["name"], "target": found["target"] or "preview",
                    "status": f"● {found['readyState'].capitalize()}", "url": self._address(found)}  # fmt: skip
            err("\n  General\n\n" + "\n".join(f"    {name}\t{value}" for name, value in rows.items()))
            if found["alias"]:
                err("\n  Aliases\n\n" + "\n".join(f"    ╶ {alias}" for alias in found["alias"]))
        return 1 if found["readyState"] in ("ERROR", "CANCELED") else 0

    def _status(self, kind: str, *, performing: bool) -> int:
        noun = "promotion" if kind == "promote" else "rollback"
        project = _answer(self._api.get(f"/v9/projects/{self._project}", params=self._query))
        last = project.get("lastAliasRequest") or {}
        err(
            f"> {kind.capitalize()} in progress…"
            if performing
            else f"> Checking {noun} status of {project['name']}…"
        )
        if not last or last["requestedAt"] < time.time() * 1000 - _RECENT_MS:
            err(f"> No deployment {noun} in progress")
            return 0
        if last["jobStatus"] != "succeeded":
            err(f"Error: Failed to remap all aliases to the requested deployment {last['toDeploymentId']}")
            return 1
        to = self._find(last["toDeploymentId"])
        err(f"> Success! {project['name']} was {_DONE[kind]} to {to['url']} ({to['id']})")
        return 0

    def _find(self, name: str) -> dict[str, Any]:
        wanted = name.rstrip("/").rpartition("/")[2]
        return _answer(self._api.get(f"/v13/deployments/{wanted}", params=self._query))

    def _address(self, deployment: dict[str, Any]) -> str:
        """The real ones are https always; the simulated platform is on loopback."""
        return f"{self._api.base_url.scheme}://{deployment['url']}"


def _answer(answer: httpx.Response) -> Any:
    if answer.status_code // 100 == 2:
        return answer.json()
    try:
        error = answer.json()["error"]
        message, code = str(error["message"]), answer.status_code
    except (ValueError, KeyError, TypeError):
        message, code = "the answer is not one of Vercel's", answer.status_code
    raise Stop(f"Error: {message} ({code})")


def _git(root: Path) -> dict[str, str]:
    """The commit of the folder, {} where there is none."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "log", "-1", "--format=%H%n%an%n%s"],
            check=True, capture_output=True, text=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return {}
    return dict(
        zip(("commitSha", "commitAuthorName", "commitMessage"), done.stdout.splitlines(), strict=False)
    )


def main(argv: list[str]) -> int:
    command = next((a for a in argv if not a.startswith("-")), "deploy")
    named = command in _COMMANDS
    if not named and Path(command).is_dir():
        command = "deploy"  # a folder to deploy may stand for the command
    try:
        given = parse(argv, _GLOBAL | _COMMANDS.get(command, {}), _SHORT)
        if given.has("--version"):
            err(f"Vercel CLI {VERSION}")
            out(VERSION)
            return 0
        err(f"Vercel CLI {VERSION}")
        if command not in _COMMANDS:
            raise Stop(
                f'Error: The command "{command}" is none that this stand-in has: {", ".join(_COMMANDS)}'
            )
        if given.has("--help"):
            err("\n".join(f"  vercel {name} [options]" for name in _COMMANDS))
            return 2
        operands = given.operands[1:] if named else given.operands
        cli = Cli(given)
        if command == "deploy":
            return cli.deploy(operands)
        if command == "inspect":
            return cli.inspect(operands)
        return cli.point(command, operands)
    except UnknownFlag as error:
        err(f"Error: unknown or unexpected option: {error}")
        return 1
    except Stop as error:
        err(str(error))
        return error.code
    except httpx.HTTPError as error:
        err(f"Error: request to the API failed, reason: {type(error).__name__}")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
