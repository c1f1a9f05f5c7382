"""What a process must not have loaded: each import costs every start; floors hold at run time too."""

import subprocess
import sys

import pytest


def loaded_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "module",
    ["console.agent", "console.feed", "console.sandbox.install", "console.cli", "console.cli.status"],
)
def test_nothing_but_app_knows_textual(module: str) -> None:
    assert "textual" not in loaded_after(f"import {module}")


def test_the_first_paint_needs_no_plots_no_http_and_no_variables() -> None:
    loaded = loaded_after("import console.app, console.cli.open, console.cli.connect")
    assert not loaded & {
        "lark",
        "plotext",
        "httpx",
        "pydantic_settings",
        "redis",
        "websockets",
        "prometheus_client",
        "yaml",
    }


def test_help_imports_neither_textual_nor_a_driver() -> None:
    assert not loaded_after("import console.cli") & {"textual", "asyncpg", "pydantic", "httpx", "rich.table"}
