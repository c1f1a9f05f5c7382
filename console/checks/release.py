"""What a release brings along: whether its commit builds, and its dependencies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from console.checks.check import Doors
from console.checks.source import Source
from console.domain.check import Outcome, failed, passed, warned
from console.domain.errors import SourceFailed
from console.domain.text import printable
from console.gateway.reasons import NoSource
from console.processes.commands import CommandFailed

BUILD_S = 600.0
_BAD = ("critical", "high")
_MOST_NAMED = 3


async def build(doors: Doors) -> Outcome:
    """The commit installs and builds, as a deployment would do it."""
    source = _source(doors)
    for words in (("ci",), ("run", "build")):
        try:
            last = await source.npm(*words)
        except CommandFailed as error:
            if error.code is None:
                return warned(f"no source: {error}")
            return failed(f"{source.commit[:8]}: npm {' '.join(words)}: {error}")
    return passed(f"{source.commit[:8]} builds: {last.strip()}")


async def dependencies(doors: Doors) -> Outcome:
    """No high or critical vulnerability in what `npm audit` says of the commit, else in the file that is configured."""
    file = doors.platform.settings.vulnerability_report
    if doors.source is None and file is not None:
        try:
            data: Any = json.loads(await asyncio.to_thread(file.read_bytes))
            return _judged(data, "outdated majors: no source: no commit was chosen")
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise SourceFailed(f"{file}: not the output of npm audit --json: {error}") from None
    source = _source(doors)
    data = await _told(source, "audit")
    try:
        return _judged(data, await _outdated(source))
    except (KeyError, TypeError, ValueError):
        said = data.get("message") if isinstance(data, Mapping) else None
        raise NoSource(f"no source: npm audit --json: {printable(said or 'no report', 120)}") from None


def _source(doors: Doors) -> Source:
    if doors.source is None:
        unset = doors.settings.deploy.repository is None
        raise NoSource(f"no source: {'deploy.repository is not set' if unset else 'no commit was chosen'}")
    return doors.source


async def _told(source: Source, word: str) -> Any:
    """The JSON that `npm WORD` prints; it ends with 1 where there is anything to tell. Raises NoSource."""
    lines: list[str] = []
    try:
        await source.npm(word, "--json", lines=lines)
    except CommandFailed as error:
        if error.code is None:
            raise NoSource(f"no source: {error}") from None
    # What it says on stderr may come before.
    begin = next((n for n, line in enumerate(lines) if line.startswith("{")), len(lines))
    end = next((n for n, line in enumerate(lines) if line.startswith("}")), len(lines))
    try:
        return json.loads("\n".join(lines[begin : end + 1] if begin < end else lines[begin : begin + 1]))
    except (ValueError, RecursionError):
        words = printable(next((line for line in reversed(lines) if line.strip()), "nothing"), 120)
        raise NoSource(f"no source: npm {word} --json: {words}") from None


async def _outdated(source: Source) -> str:
    data = await _told(source, "outdated")
    rows = data.items() if isinstance(data, Mapping) else ()
    majors = []
    for name, each in rows:
        if isinstance(each, Mapping):
            now, latest = str(each.get("current") or each.get("wanted") or ""), str(each.get("latest") or "")
            if now.partition(".")[0] != latest.partition(".")[0]:
                majors.append(f"{printable(name, 60)} {printable(now, 20)} (latest {printable(latest, 20)})")
    more = f" and {len(majors) - _MOST_NAMED} more" if len(majors) > _MOST_NAMED else ""
    return f"outdated majors: {', '.join(majors[:_MOST_NAMED])}{more}" if majors else "no outdated major"


def _judged(data: Any, outdated: str) -> Outcome:
    """Raises KeyError, TypeError and ValueError for what is no report."""
    counts = {level: int(data["metadata"]["vulnerabilities"][level]) for level in (*_BAD, "moderate", "low")}
    told = ", ".join(f"{count} {level}" for level, count in counts.items())
    if any(counts[level] for level in _BAD):
        listed = data.get("vulnerabilities")
        names = [
            printable(name, 60)
            for name, each in (listed.items() if isinstance(listed, dict) else ())
            if isinstance(each, dict) and each.get("severity") in _BAD
        ]
        return failed(": ".join(filter(None, (f"{told} vulnerabilities", ", ".join(names[:_MOST_NAMED])))))
    return passed(f"{told} vulnerabilities; {outdated}")
