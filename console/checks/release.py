"""What a release brings along: its dependencies. Its build is the pipeline's to try."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from console.checks.check import Doors
from console.domain.check import Outcome, failed, passed, warned
from console.domain.errors import SourceFailed

_BAD = ("critical", "high")
_MOST_NAMED = 3


async def dependencies(doors: Doors) -> Outcome:
    """No high or critical vulnerability in the report of `npm audit --json`."""
    file = doors.platform.settings.vulnerability_report
    if file is None:
        return warned("no source: platform.vulnerability_report is not set (the output of npm audit --json)")
    try:
        data: Any = json.loads(await asyncio.to_thread(file.read_bytes))
        counts = {
            level: int(data["metadata"]["vulnerabilities"][level]) for level in (*_BAD, "moderate", "low")
        }
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SourceFailed(f"{file}: not the output of npm audit --json: {error}") from None
    told = ", ".join(f"{count} {level}" for level, count in counts.items())
    if any(counts[level] for level in _BAD):
        listed = data.get("vulnerabilities")
        names = [
            str(name)
            for name, each in (listed.items() if isinstance(listed, dict) else ())
            if isinstance(each, dict) and each.get("severity") in _BAD
        ]
        return failed(": ".join(filter(None, (f"{told} vulnerabilities", ", ".join(names[:_MOST_NAMED])))))
    return passed(f"{told} vulnerabilities; outdated majors: no source: no npm outdated of the commit")
