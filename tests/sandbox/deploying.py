"""What tests of deployments share: a worktree of a release, the stand-ins, and what these need in the environment."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from console.sandbox import releases
from console.sandbox.edge import REF
from console.sandbox.firewall import PROJECT, TEAM
from console.sandbox.tools import tools_folder, variables
from tests.sandbox.platform import Platform

FUNCTIONS = ("execute-order", "get-stock-price", "risk-monitoring", "health-check")


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


class Workshop:
    """Runs the tools as a pipeline does: from a worktree of the recorded commit, secrets by the environment only."""

    def __init__(self, platform: Platform, folder: Path, *, supabase: str = "3.1.0") -> None:
        self.platform = platform
        self.folder = folder
        self.repository = releases.ensure_repository(folder / "platform.git")
        self.tools = tools_folder(folder, platform.config.base_url, supabase=supabase)
        self.environment = {
            "PATH": f"{self.tools}{os.pathsep}{os.environ['PATH']}",
            "SUPABASE_ACCESS_TOKEN": platform.supabase_token,
            "PGPASSWORD": platform.deploy_password,
            "VERCEL_TOKEN": platform.vercel_token,
            **variables(folder, project=PROJECT, team=TEAM),
        }

    @property
    def database_url(self) -> str:
        """Without a password: that is PGPASSWORD."""
        return self.platform.cluster.url(self.platform.database, "platform_deploy")

    def worktree(self, tag: str) -> Path:
        path = self.folder / tag
        if not path.exists():
            git = [
                "git",
                "-C",
                str(self.repository),
                "worktree",
                "add",
                "--quiet",
                "--detach",
                str(path),
                tag,
            ]
            subprocess.run(git, check=True, capture_output=True, timeout=30)
        return path

    def run(self, where: Path, *argv: str, **environment: str) -> Done:
        done = subprocess.run(
            argv, cwd=where, env=self.environment | environment, capture_output=True, text=True, timeout=60,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def ok(self, where: Path, *argv: str) -> str:
        """What it says on stdout; it must succeed."""
        done = self.run(where, *argv)
        assert done.code == 0, f"{argv}: {done}"
        return done.out.strip()

    def push(self, tag: str) -> str:
        return self.ok(self.worktree(tag), "supabase", "db", "push", "--yes", f"--remote={self.database_url}")

    def deploy_functions(self, tag: str, *names: str) -> None:
        self.ok(
            self.worktree(tag), "supabase", "functions", "deploy", *(names or FUNCTIONS), f"--remote={REF}",
            "--use-api", "--yes",
        )  # fmt: skip

    def deploy_frontend(self, tag: str) -> str:
        """The address of a new deployment, which does not serve production yet."""
        return self.ok(self.worktree(tag), "vercel", "deploy", "--prod", "--skip-domain", "--yes")
