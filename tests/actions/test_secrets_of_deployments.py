"""Secrets that a deployment handles are nowhere afterwards: a program tells all that it knows on both of its streams,
and servers repeat in their errors what one came with, while it is planned and while it runs."""

import json
import sys
from pathlib import Path

import yaml

from console.domain.action import ActionState
from console.sandbox.edge import REF
from console.sandbox.firewall import PROJECT, TEAM
from console.sandbox.releases import ensure_repository
from console.sections import DeploySettings
from console.store import actions, releases
from tests.gateway.servers import tcp
from tests.store.stores import password_of

from .conftest import Stage
from .test_secrets import _agent, _echo

_PROGRAM = """
import os, pathlib, sys
told = [b" ".join(p.read_bytes().split(bytes(1))) for p in pathlib.Path("/proc").glob("[0-9]*/cmdline")]
pathlib.Path(sys.argv[1]).write_bytes(b"\\n".join(told))
for name, value in os.environ.items():
    print("out", name, value, flush=True)
    print("err", name, value, file=sys.stderr, flush=True)
sys.exit(f"no: {os.environ['VERCEL_TOKEN']} {os.environ['PGPASSWORD']} {os.environ['SUPABASE_ACCESS_TOKEN']}")
"""


def _pipeline(folder: Path, url: str) -> Path:
    """A call that fails with what it came with; on the way back a program tells all."""
    token, program = folder / "token", folder / "tell.py"
    token.write_text("planted-token-of-a-call")
    token.chmod(0o600)
    program.write_text(_PROGRAM)
    tell = {
        "title": "tell all",
        "command": {
            "argv": [sys.executable, str(program), str(folder / "argvs")],
            "secrets": {
                "VERCEL_TOKEN": "vercel_token",
                "PGPASSWORD": "deploy_database_password",
                "SUPABASE_ACCESS_TOKEN": "supabase_token",
                "SERVICE_KEY": "service_key",
            },
        },
    }
    call = {
        "title": "call somebody",
        "http": {"method": "POST", "url": url, "json": {"a": 1}, "token": str(token)},
        "undo": tell,
    }
    (folder / "deploy.yaml").write_text(yaml.safe_dump({"title": "Deploy", "steps": {"call": call}}))
    return folder


async def test_what_a_deployment_knows_is_nowhere_afterwards(stage: Stage, tmp_path: Path) -> None:
    platform = stage.platform
    planted = {
        "PLATFORM__API_KEY": "planted-api-key",
        "PLATFORM__SERVICE_KEY": platform.service_key,
        "PLATFORM__VERCEL_TOKEN": platform.vercel_token,
        "PLATFORM__SUPABASE_TOKEN": platform.supabase_token,
        "PLATFORM__OPS_DATABASE_PASSWORD": platform.ops_password,
        "PLATFORM__DEPLOY_DATABASE_PASSWORD": platform.deploy_password,
        "PLATFORM__DATABASE_PASSWORD": platform.reader_password,
        "STORE__PASSWORD": password_of("auto"),
    }
    database, log, folder = (
        platform.cluster.url(platform.database, "platform_ops"),
        tmp_path / "agent.log",
        tmp_path / "deployments",
    )
    stage.deploy = DeploySettings(
        repository=str(ensure_repository(tmp_path / "platform.git")), first="v2.8.1", folder=folder
    )
    async with tcp(_echo) as port:
        echo = f"http://127.0.0.1:{port}"
        # While it is planned the vendors repeat what they were asked with.
        async with stage.agent(vercel_url=echo):
            refused = await stage.ask("deploy", "v2.9.0", release="v2.9.0")
        assert refused.state in (ActionState.REFUSED, ActionState.FAILED) and "HTTP 400" in refused.words
        plain = {
            "ENVIRONMENT": "test",
            "TIME_SCALE": str(stage.scale),
            "AGENT__TICK_S": "0.5",
            "STORE__URL": stage.place.url_of("auto"),
            "DEPLOY__REPOSITORY": str(tmp_path / "platform.git"),
            "DEPLOY__FIRST": "v2.8.1",
            "DEPLOY__FOLDER": str(folder),
            "DEPLOY__PIPELINES": str(_pipeline(tmp_path, f"{echo}/hook")),
            "DEPLOY__ENV": json.dumps({"CI": "1"}),
            "PLATFORM__BASE_URL": platform.config.base_url,
            "PLATFORM__DATABASE_URL": database.replace("platform_ops", "platform_reader"),
            "PLATFORM__OPS_DATABASE_URL": database,
            "PLATFORM__DEPLOY_DATABASE_URL": database.replace("platform_ops", "platform_deploy"),
            "PLATFORM__SUPABASE_URL": platform.config.base_url,
            "PLATFORM__SUPABASE_PROJECT": REF,
            "PLATFORM__VERCEL_URL": platform.config.base_url,
            "PLATFORM__VERCEL_PROJECT": PROJECT,
            "PLATFORM__VERCEL_TEAM": TEAM,
        }
        async with _agent({f"TRADEX_{name}": value for name, value in (plain | planted).items()}, log):
            await stage.wait_for(lambda: releases.recent(stage.alice), timeout=30)
            planned = await stage.ask("deploy", "v2.9.0", release="v2.9.0")
            await stage.confirm(planned)
            ended = await stage.ended(planned.id, timeout=60)
    assert ended.state is ActionState.FAILED
    assert "NOT ALL of it was taken back: tell all: python" in ended.words, ended.words
    kept = folder / f"deployment-{ended.id}.log"
    found = {file.name: file.read_text(errors="replace") for file in (log, kept, tmp_path / "argvs")}
    tables = await stage.place.owner(
        "SELECT relname FROM pg_class WHERE relnamespace = 'console'::regnamespace AND relkind IN ('r', 'p', 'v')"
    )
    for table in (row["relname"] for row in tables):
        rows = await stage.place.owner(f"SELECT t::text AS row FROM console.{table} AS t")
        found[table] = "\n".join(row["row"] for row in rows)
    for where in ("action_output", kept.name):
        assert "out VERCEL_TOKEN ********" in found[where] and "err PGPASSWORD ********" in found[where], (
            where
        )
    steps = await actions.steps(stage.alice, ended.id)
    assert "HTTP 400" in steps[0].text, "the other side was heard"
    needles = [*planted.values(), (tmp_path / "token").read_text()]
    for where, text in found.items():
        assert not [needle for needle in needles if needle in text], where
