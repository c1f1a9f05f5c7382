"""Stand-ins for `supabase`, `vercel` and `npm`: they take the real ones' arguments and act on the simulated platform.

Each follows a named version of the real tool (its module says which) as far as a deployment needs it, and refuses what
that version refuses. What they can't do they refuse too: a stand-in that pretends is worse than none.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from shlex import quote

from console.places import write_private

TOOLS = ("supabase", "vercel", "npm")
SUPABASE_VERSION = "3.1.0"
_PROFILE = "supabase-profile.yaml"
_VERCEL_CONFIG = "com.vercel.cli"


def tools_folder(state: Path, base_url: str, *, supabase: str = SUPABASE_VERSION) -> Path:
    """The folder to put in front of PATH, made below `state`; `variables` says what else they need.

    `base_url` is that of the simulated platform, `supabase` the version of its CLI to be (3.1.0 or 2.75.0).
    """
    folder = state / "tools"
    for part in (folder, state / _VERCEL_CONFIG):
        part.mkdir(mode=0o700, parents=True, exist_ok=True)
    for tool in TOOLS:
        launcher = folder / tool
        given = f" --stand-in-for {quote(supabase)}" if tool == "supabase" else ""
        # Isolated: the folder that it is started in, somebody's worktree, has nothing to say about modules.
        command = f'exec {quote(sys.executable)} -I -u -m console.sandbox.tools.{tool}{given} "$@"'
        write_private(launcher, f"#!/bin/sh\n{command}\n")
        launcher.chmod(0o700)
    profile = {"name": "sandbox", "api_url": base_url, "dashboard_url": base_url, "project_host": "localhost"}
    write_private(
        state / _PROFILE, "".join(f"{key}: {json.dumps(value)}\n" for key, value in profile.items())
    )
    write_private(state / _VERCEL_CONFIG / "config.json", json.dumps({"api": base_url}))
    return folder


def variables(state: Path, *, project: str, team: str) -> dict[str, str]:
    """What tells the stand-ins, and the real ones, where their API and which the project at Vercel is. No secret."""
    return {
        "SUPABASE_PROFILE": str(state / _PROFILE),
        "XDG_DATA_HOME": str(state),
        "VERCEL_ORG_ID": team,
        "VERCEL_PROJECT_ID": project,
    }
