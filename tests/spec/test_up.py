"""`tradex up`: one operator with a platform that runs elsewhere (here: the one of a running demo)."""

import json
import re
import signal
import subprocess
from pathlib import Path

from tests.demo import TRADEX, Demo


def test_up_watches_a_configured_platform_with_a_store_of_its_own(demo: Demo, tmp_path: Path) -> None:
    settings = (demo.state / "agent.toml").read_text()
    config = tmp_path / "config.toml"
    config.write_text(
        re.sub(r"\[store\].*?(?=\[agent\])", "", settings, flags=re.S).replace("sandbox", "staging", 1)
    )
    env = demo.env | {"TRADEX_STATE_DIR": str(tmp_path / "up"), "TRADEX_CONFIG": str(config)}
    up = subprocess.Popen([*TRADEX, "up", "--headless"], env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert up.stdout is not None
        assert up.stdout.readline().startswith("ready staging")

        def status() -> dict:
            done = subprocess.run(
                [*TRADEX, "status", "--json"], env=env, capture_output=True, text=True, check=False
            )
            return json.loads(done.stdout)

        found = demo.until(lambda: s if (s := status())["overall"] == "healthy" else None)
        assert found["environment"] == "staging"
        assert {c["name"]: c["status"] for c in found["components"]}["database"] == "ok"
        assert found["agent"]["leader"] == "agent-1"
    finally:
        up.send_signal(signal.SIGTERM)
        assert up.wait(30) == 0


def test_up_beside_a_configured_store_is_a_misuse(demo: Demo, tmp_path: Path) -> None:
    done = subprocess.run(
        [*TRADEX, "--config", str(demo.state / "agent.toml"), "up", "--headless"],
        env=demo.env | {"TRADEX_STATE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "store.url is set" in done.stderr
