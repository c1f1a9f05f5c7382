"""Stand-in for Supabase's CLI 3.1.0 (compared with it: flags, exit codes, both streams, what it asks of the API):
`db push`, `functions deploy`, `functions list`. As 2.75.0 it knows the flags of that one.

It finds the API as the real one does, in the profile that SUPABASE_PROFILE or --profile names, a YAML file with
`api_url`; the access token is SUPABASE_ACCESS_TOKEN, a database's password PGPASSWORD.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import yaml

from console.sandbox.tools import SUPABASE_VERSION, migrations
from console.sandbox.tools.command import Arguments, Flag, Stop, UnknownFlag, client, err, out, parse

_GLOBAL = {
    "--help": Flag.SWITCH, "--version": Flag.SWITCH, "--output": Flag.VALUE, "--profile": Flag.VALUE,
    "--debug": Flag.SWITCH, "--workdir": Flag.VALUE, "--experimental": Flag.SWITCH, "--network-id": Flag.VALUE,
    "--yes": Flag.SWITCH, "--dns-resolver": Flag.VALUE, "--agent": Flag.VALUE,
}  # fmt: skip
_GLOBAL_3 = {"--wizard": Flag.SWITCH, "--completions": Flag.VALUE, "--log-level": Flag.VALUE,
             "--output-format": Flag.VALUE, "--remote": Flag.OPTIONAL, "--project-ref": Flag.VALUE}  # fmt: skip
_SHORT = {"-h": "--help", "-v": "--version", "-o": "--output", "-p": "--password", "-j": "--jobs"}
_PUSH = {"--include-all": Flag.SWITCH, "--include-roles": Flag.SWITCH, "--include-seed": Flag.SWITCH,
         "--dry-run": Flag.SWITCH, "--password": Flag.VALUE, "--db-url": Flag.VALUE, "--linked": Flag.SWITCH,
         "--local": Flag.SWITCH}  # fmt: skip
_DEPLOY = {"--no-verify-jwt": Flag.SWITCH, "--use-api": Flag.SWITCH, "--import-map": Flag.VALUE,
           "--prune": Flag.SWITCH, "--jobs": Flag.VALUE}  # fmt: skip
_COMMANDS_3 = {
    ("db", "push"): _PUSH | {"--skip-vault": Flag.SWITCH},
    ("functions", "deploy"): _DEPLOY,
    ("functions", "list"): {},
}
_COMMANDS_2 = {
    ("db", "push"): _PUSH,
    ("functions", "deploy"): _DEPLOY | {"--project-ref": Flag.VALUE, "--use-docker": Flag.SWITCH},
    ("functions", "list"): {"--project-ref": Flag.VALUE},
}
_REF = re.compile(r"[a-z]{20}")
_TOKEN = re.compile(r"sbp_[a-f0-9]{40}")
_PROFILE_KEYS = {"name", "api_url", "dashboard_url", "docs_url", "project_host", "pooler_host", "client_id",
                 "studio_image", "regions"}  # fmt: skip
_HINT = "Try rerunning the command with --debug to troubleshoot the error."


class Failed(Exception):
    """An error with the code that JSON output gives it."""

    def __init__(self, code: str, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.suggestion = suggestion


class Cli:
    """One run of the command."""

    def __init__(self, version: str, command: tuple[str, str], arguments: Arguments) -> None:
        self._version = version
        self._major = int(version.partition(".")[0])
        self._command = command
        self._given = arguments
        self._json = arguments.get("--output-format") == "json"
        self._workdir = Path(arguments.get("--workdir") or ".")
        self._target: dict[str, Any] = {}
        self._target_name = ""

    def run(self) -> int:
        try:
            if self._command == ("db", "push"):
                asyncio.run(self._push())
            elif self._command == ("functions", "deploy"):
                self._deploy()
            else:
                self._list()
        except (Failed, migrations.NotPushed) as error:
            if self._json:
                said = {"code": error.code, "message": str(error)}
                said |= {"suggestion": error.suggestion} if error.suggestion else {}
                self._print({"_tag": "Error", "error": said})
            else:
                err(f"{error}\n{error.suggestion or _HINT}")
            return 1
        return 0

    async def _push(self) -> None:
        url = self._database()
        dry = self._given.has("--dry-run")
        for flag, path in (("--include-roles", "roles.sql"), ("--include-seed", "seed.sql")):
            if self._given.has(flag) and (self._workdir / "supabase" / path).exists():
                raise Failed("NotSupported", f"this stand-in runs no supabase/{path}")
        if dry:
            err("DRY RUN: migrations will *not* be pushed to the database.")
        try:
            connection = await asyncpg.connect(url, timeout=10, command_timeout=120)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            raise Failed("DbConnectError", f"failed to connect to postgres: {error}") from None
        try:
            local = migrations.files(self._workdir)
            found = migrations.pending(
                local, await migrations.applied(connection), include_all=self._given.has("--include-all")
            )
            if found and not dry:
                self._consent(f"Apply {_counted(len(found), 'migration')}")
                await migrations.apply(connection, found, err)
        finally:
            await connection.close()
        if dry and found:
            err("Would push these migrations:")
            for path in found:
                err(f" • {path.name}")
        message = "Finished supabase db push." if found else "Remote database is up to date."
        result = {"upToDate": not found, "dryRun": dry, "migrations": [p.name for p in found], "seeds": [],
                  "roles": [], "message": message}  # fmt: skip
        self._print(result, message)

    def _deploy(self) -> None:
        folder = self._workdir / "supabase" / "functions"
        names = self._given.operands or sorted(
            p.name for p in folder.glob("*") if (p / "index.ts").exists() and not p.name.startswith("_")
        )
        if not names:
            raise Failed("NoFunctions", "No Functions specified or found in supabase/functions")
        if self._given.has("--prune") or self._given.has("--import-map"):
            raise Failed("NotSupported", "this stand-in takes neither --prune nor --import-map")
        with self._api() as api:
            ref = self._project(api)
            self._consent(f"Deploy {_counted(len(names), 'Function')}")
            known = {
                f["slug"]: f for f in _answer(api.get(f"/v1/projects/{ref}/functions"), "list functions")
            }
            bundled = [self._upload(api, ref, name, known, only=len(names) > 1) for name in names]
            if len(names) > 1:
                kept = [{k: v for k, v in b.items() if k != "updated_at"} for b in bundled]
                _answer(api.put(f"/v1/projects/{ref}/functions", json=kept), "bulk update functions")
        dashboard = f"{self._profile()['dashboard_url']}/project/{ref}/functions"
        result = {
            "project_ref": ref,
            "functions": names,
            "dashboard_url": dashboard,
            "message": "Deployed Functions.",
        }
        self._print(
            result,
            f"Deployed Functions on project {ref}: {', '.join(names)}\n"
            f"You can inspect your deployment in the Dashboard: {dashboard}",
        )

    def _upload(
        self, api: httpx.Client, ref: str, name: str, known: dict[str, Any], *, only: bool
    ) -> dict[str, Any]:
        path = f"supabase/functions/{name}/index.ts"
        metadata: dict[str, Any] = {
            "entrypoint_path": path,
            "import_map_path": "",
            "static_patterns": [],
            "name": name,
        }
        if self._given.has("--no-verify-jwt"):
            metadata["verify_jwt"] = False
        elif name in known:
            metadata["verify_jwt"] = known[name]["verify_jwt"]
        if only:
            err(f"Deploying Function: {name}")
        parts: list[tuple[str, Any]] = []
        try:
            content = (self._workdir / path).read_bytes()
            err(f"Uploading asset ({name}): {path}")
            parts.append(("file", (path, content, "application/octet-stream")))
        except OSError:
            err(f"WARN: failed to read file: open {path}: no such file or directory")
        parts.append(("metadata", (None, json.dumps(metadata))))
        parameters = {"slug": name} | ({"bundleOnly": "true"} if only else {})
        answer = api.post(f"/v1/projects/{ref}/functions/deploy", params=parameters, files=parts)
        return _answer(answer, "deploy function")

    def _list(self) -> None:
        with self._api() as api:
            ref = self._project(api)
            found = _answer(api.get(f"/v1/projects/{ref}/functions"), "list functions")
        shown = self._given.get("--output")
        if shown == "json":
            out(json.dumps(found, indent=2, sort_keys=True))
        elif shown not in (None, "pretty", "table"):
            raise Failed("NotSupported", f"this stand-in has no --output {shown}")
        else:
            columns = ("id", "name", "slug", "status", "version", "updated_at")
            rows = [" | ".join(str(f[c]) for c in columns) for f in found]
            self._print({"functions": found, "message": ""}, "\n".join([" | ".join(columns).upper(), *rows]))

    def _database(self) -> str:
        """The URL to push to."""
        url, remote = self._given.get("--db-url"), self._given.get("--remote")
        if url is not None and self._major >= 3:
            err("Warning: --db-url is deprecated and will be removed in v4. Use --remote=<db-url> instead")
        if remote and "://" in remote:
            url = remote
        if url is None:
            if remote is not None or self._given.has("--project-ref") or self._given.has("--linked"):
                with self._api() as api:
                    self._project(api)
                raise Failed(
                    "DbConnectError",
                    "IPv6 is not supported on your current network",
                    "Pass the project's connection pooler URL with --remote=<pooler db-url> to connect over IPv4.",
                )
            err("Target: local stack (127.0.0.1:54322)")
            raise Failed(
                "DbConnectError",
                "failed to connect to postgres: dial error (connect ECONNREFUSED 127.0.0.1:54322)",
                "Make sure Docker is running, then run: supabase start",
            )
        try:
            parts = urlsplit(url)
            self._target = {"kind": "db-url", "host": parts.hostname or "", "port": parts.port or 5432}
        except ValueError:
            raise Failed("DbConfigError", "failed to parse connection string") from None
        self._name_target(f"custom Postgres ({self._target['host']}:{self._target['port']})")
        return url

    def _project(self, api: httpx.Client) -> str:
        """The project's reference."""
        given, remote = self._given.get("--project-ref"), self._given.get("--remote")
        if given is not None and self._major >= 3:
            err("Warning: --project-ref is deprecated and will be removed in v4. Use --remote=<ref> instead")
        ref = given or remote or os.environ.get("SUPABASE_PROJECT_ID")
        if not ref:
            raise Failed("ProjectRefError", "Cannot find project ref. Have you run supabase link?")
        if not _REF.fullmatch(ref):
            raise Failed("ProjectRefError", f'Cannot resolve "{ref}": it is not a project ref')
        found = _answer(api.get(f"/v1/projects/{ref}"), "get project")
        self._target = {
            "kind": "linked",
            "project_ref": ref,
            "project_name": found["name"],
            "environment": "production",
        }
        self._name_target(f"project {found['name']} ({ref}) · production")
        return ref

    def _name_target(self, name: str) -> None:
        self._target_name = name
        if self._major >= 3:
            err(f"Target: {name}")

    def _consent(self, what: str) -> None:
        """From 3.0 on nothing hosted changes without --yes where nobody can be asked."""
        if self._major < 3:
            return
        if not self._given.has("--yes") and os.environ.get("SUPABASE_YES", "").lower() not in ("1", "true"):
            why = "its output format is json" if self._json else "stdout is not a terminal"
            raise Failed(
                "HostedMutationConsentRequiredError",
                f"Confirmation required: {what} (target: {self._target_name}). This run can't ask because {why}. "
                "Nothing was changed.",
                "Re-run with --yes to confirm.",
            )
        err(f"Confirmed by --yes: {what} on {self._target_name}")

    def _api(self) -> httpx.Client:
        token = os.environ.get("SUPABASE_ACCESS_TOKEN", "")
        if not token:
            raise Failed(
                "AccessTokenError",
                "Access token not provided. Supply an access token by running `supabase login` or setting the "
                "SUPABASE_ACCESS_TOKEN environment variable.",
            )
        if not _TOKEN.fullmatch(token):
            raise Failed("AccessTokenError", "Invalid access token format. Must be like `sbp_0102...1920`.")
        return client(self._profile()["api_url"], token, f"SupabaseCLI/{self._version}")

    def _profile(self) -> dict[str, str]:
        name = self._given.get("--profile") or os.environ.get("SUPABASE_PROFILE", "supabase")
        try:
            profile = yaml.safe_load(Path(name).read_text())
        except OSError as error:
            raise Failed("ProfileError", f"failed to read profile: {error}") from None
        except yaml.YAMLError as error:
            raise Failed("ProfileError", f"failed to parse profile: {error}") from None
        required = {"name", "api_url", "dashboard_url", "project_host"}
        if not isinstance(profile, dict) or not required <= set(profile) <= _PROFILE_KEYS:
            raise Failed("ProfileError", f"invalid profile: {', '.join(sorted(required))} are expected")
        return profile

    def _print(self, result: dict[str, Any], text: str = "") -> None:
        if self._json:
            out(json.dumps(result | ({"target": self._target} if self._target else {})))
        else:
            out(text)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _answer(answer: httpx.Response, what: str) -> Any:
    """The JSON of an answer; raises Failed with what the API said."""
    if answer.status_code // 100 != 2:
        raise Failed(
            "ApiError", f"failed to {what}: unexpected status {answer.status_code}: {answer.text[:500]}"
        )
    return answer.json()


def main(argv: list[str]) -> int:
    version = SUPABASE_VERSION
    if argv[:1] == ["--stand-in-for"]:
        version, argv = argv[1], argv[2:]
    commands = _COMMANDS_3 if version.startswith("3.") else _COMMANDS_2
    words = [a for a in argv if not a.startswith("-")][:2]
    command = (words[0], words[1]) if len(words) == 2 else ("", "")
    known = _GLOBAL | (_GLOBAL_3 if commands is _COMMANDS_3 else {}) | commands.get(command, {})
    try:
        # Wherever it stands, and whatever follows it.
        if "--version" in argv or "-v" in argv:
            parse([a for a in argv if a not in ("--version", "-v")], known, _SHORT)
            out(version)
            return 0
        arguments = parse(argv, known, _SHORT)
        if arguments.has("--help") or not words:
            out("USAGE\n" + "\n".join(f"  supabase {' '.join(c)} [flags]" for c in commands))
            return 0
        if command not in commands:
            raise Stop(
                f'Unknown command "{" ".join(words)}" for "supabase" (this stand-in has db push, functions)'
            )
        del arguments.operands[:2]
        if arguments.get("--remote") == "" and any(_REF.fullmatch(o) for o in arguments.operands):
            raise Stop("after --remote stands what looks like a project ref: --remote=<ref> is expected")
        if arguments.operands and command != ("functions", "deploy"):
            raise Stop(f"Unexpected argument: {arguments.operands[0]}")
        return Cli(version, command, arguments).run()
    except UnknownFlag as error:
        text = f"Unrecognized flag: {error} in command supabase {' '.join(command)}"
        err(f"{text if commands is _COMMANDS_3 else f'unknown flag: {error}'}\n{_HINT}")
        return 1
    except Stop as error:
        err(f"{error}\n{_HINT}")
        return error.code
    except httpx.HTTPError as error:
        err(f"failed to reach the API: {type(error).__name__}\n{_HINT}")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
