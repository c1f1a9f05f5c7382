"""Stand-in for npm 11: `ci`, `run build`, `audit --json`, `outdated --json`, without a registry. What it knows of
packages, advisories and newer versions, is the table in registry.json. The build is frontend.py's.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from importlib import resources
from pathlib import Path
from typing import Any

from console.sandbox import frontend
from console.sandbox.tools.command import err, out

VERSION = "11.6.2"
_LEVELS = ("info", "low", "moderate", "high", "critical")
_KNOWN = {"--json", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--silent", "--version",
          "--omit", "--audit-level", "--loglevel", "--no-progress"}  # fmt: skip
_INSTALLED = Path("node_modules") / ".package-lock.json"


class Failure(Exception):
    """What npm says, and its code (EUSAGE ...)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def ci(_: list[str]) -> int:
    """Exactly what the lock file says, or nothing."""
    package, lock = _json("package.json"), _lock()
    root = lock["packages"][""]
    wanted = [package.get(k, {}) for k in ("dependencies", "devDependencies")]
    if [root.get(k, {}) for k in ("dependencies", "devDependencies")] != wanted:
        raise Failure(
            "EUSAGE",
            "`npm ci` can only install packages when your package.json and package-lock.json or npm-shrinkwrap.json "
            "are in sync. Please update your lock file with `npm install` before continuing.",
        )
    begun = time.perf_counter()
    packages = {path: p for path, p in lock["packages"].items() if path}
    shutil.rmtree("node_modules", ignore_errors=True)
    _INSTALLED.parent.mkdir()
    _INSTALLED.write_text(json.dumps({**lock, "packages": packages}, indent=2))
    counts = _counts(_audit(lock))
    total = counts["total"]
    said = f"\n{total} vulnerabilities ({_listed(counts)})" if total else "\nfound 0 vulnerabilities"
    took_ms = (time.perf_counter() - begun) * 1000
    out(
        f"\nadded {len(packages)} packages, and audited {len(packages) + 1} packages in {took_ms:.0f}ms\n{said}"
    )
    return 0


def run(operands: list[str]) -> int:
    package = _json("package.json")
    if operands != ["build"] or "build" not in package.get("scripts", {}):
        raise Failure("EMISSINGSCRIPT", f'Missing script: "{" ".join(operands)}"')
    script = package["scripts"]["build"]
    out(f"\n> {package['name']}@{package['version']} build\n> {script}\n")
    bundler = _json(str(_INSTALLED))["packages"].get("node_modules/vite") if _INSTALLED.exists() else None
    if bundler is None:
        err(f"sh: 1: {script.split()[0]}: not found")
        return 127
    sources = {p.as_posix(): p.read_bytes() for p in sorted(Path(frontend.ROOT).rglob("*")) if p.is_file()}
    out(f"vite v{bundler['version']} building for production...\ntransforming...")
    begun = time.perf_counter()
    try:
        dist = frontend.build(sources)
    except frontend.BuildFailed as error:
        err(f"x Build failed in {(time.perf_counter() - begun) * 1000:.0f}ms\nerror during build:\n{error}")
        return 1
    shutil.rmtree("dist", ignore_errors=True)
    for path, content in dist.items():
        target = Path("dist") / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    out(frontend.report(dist, sum(1 for p in sources if p.endswith(".ts"))))
    return 0


def audit(_: list[str]) -> int:
    """The shape of audit report 2; 1 when there is anything."""
    lock = _lock()
    found = _audit(lock)
    counts = _counts(found)
    packages = [p for path, p in lock["packages"].items() if path]
    dev = sum(1 for p in packages if p.get("dev"))
    out(
        json.dumps(
            {
                "auditReportVersion": 2,
                "vulnerabilities": found,
                "metadata": {
                    "vulnerabilities": counts,
                    "dependencies": {
                        "prod": len(packages) - dev + 1, "dev": dev, "optional": 0, "peer": 0, "peerOptional": 0,
                        "total": len(packages),
                    },
                },
            },
            indent=2,
        )
    )  # fmt: skip
    return 1 if counts["total"] else 0


def outdated(_: list[str]) -> int:
    """1 when there is anything."""
    lock, latest = _lock(), _registry()["latest"]
    root, found = lock["packages"][""], {}
    for name in {**root.get("dependencies", {}), **root.get("devDependencies", {})}:
        path = f"node_modules/{name}"
        current = lock["packages"][path]["version"]
        newest = latest.get(name, current)
        if newest != current:
            row: dict[str, str] = {"current": current} if _INSTALLED.exists() else {}
            wanted = newest if newest.split(".")[0] == current.split(".")[0] else current
            place = {"location": str(Path(path).absolute())} if row else {}
            found[name] = {**row, "wanted": wanted, "latest": newest, "dependent": root["name"], **place}
    out(json.dumps(found, indent=2))
    return 1 if found else 0


def _audit(lock: dict[str, Any]) -> dict[str, Any]:
    """Each package that an advisory names, in npm's shape."""
    root = lock["packages"].get("", {})
    direct = {**root.get("dependencies", {}), **root.get("devDependencies", {})}
    found: dict[str, Any] = {}
    for advisory in _registry()["advisories"]:
        name, path = advisory["name"], f"node_modules/{advisory['name']}"
        if path not in lock["packages"] or _key(lock["packages"][path]["version"]) >= _key(
            advisory["fixed_in"]
        ):
            continue
        span = f"<{advisory['fixed_in']}"
        entry = found.setdefault(
            name,
            {"name": name, "severity": "info", "isDirect": name in direct, "via": [], "effects": [], "range": span,
             "nodes": [path], "fixAvailable": True},
        )  # fmt: skip
        entry["severity"] = max(entry["severity"], advisory["severity"], key=_LEVELS.index)
        entry["via"].append({"source": advisory["id"], "name": name, "dependency": name, "title": advisory["title"],
                             "url": advisory["url"], "severity": advisory["severity"], "cwe": [],
                             "cvss": {"score": 0, "vectorString": None}, "range": span})  # fmt: skip
    return found


def _counts(found: dict[str, Any]) -> dict[str, int]:
    counts = {level: sum(1 for v in found.values() if v["severity"] == level) for level in _LEVELS}
    return {**counts, "total": len(found)}


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{counts[level]} {level}" for level in _LEVELS if counts[level])


def _key(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version)[:3])


def _registry() -> dict[str, Any]:
    return json.loads(resources.files("console.sandbox.tools").joinpath("registry.json").read_text())


def _lock() -> dict[str, Any]:
    try:
        return _json("package-lock.json")
    except Failure:
        raise Failure("ENOLOCK", "This command requires an existing lockfile.") from None


def _json(name: str) -> dict[str, Any]:
    try:
        return json.loads(Path(name).read_text())
    except OSError:
        raise Failure("ENOENT", f"Could not read {name}: no such file or directory") from None
    except ValueError as error:
        raise Failure("EJSONPARSE", f"Invalid {name}: {error}") from None


_COMMANDS = {
    "ci": ci,
    "clean-install": ci,
    "run": run,
    "run-script": run,
    "audit": audit,
    "outdated": outdated,
}


def main(argv: list[str]) -> int:
    operands = [a for a in argv if not a.startswith("-")]
    flags = {a.partition("=")[0] for a in argv if a.startswith("-")}
    if "--version" in flags or "-v" in flags:
        out(VERSION)
        return 0
    for flag in sorted(flags - _KNOWN):
        # As the real one: it says so, and goes on.
        err(f'npm warn Unknown cli config "{flag}". This will stop working in the next major version of npm.')
    command = operands[0] if operands else ""
    try:
        if command not in _COMMANDS:
            raise Failure(
                "EUSAGE", f'Unknown command: "{command}" (this stand-in has {", ".join(_COMMANDS)})'
            )
        if command in ("audit", "outdated") and "--json" not in flags:
            raise Failure("EUSAGE", f"this stand-in has `npm {command} --json` only")
        return _COMMANDS[command](operands[1:])
    except Failure as error:
        err(f"npm error code {error.code}\nnpm error {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
