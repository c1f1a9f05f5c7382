"""`tradex` in the tests' own process: what a person's command does and says, without the half second of a core that a
new Python takes. What depends on a process of its own (signals, a terminal, exec) is not for it."""

import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from subprocess import CompletedProcess

from click.testing import CliRunner

from console.cli import main


def run(*args: str, env: Mapping[str, str]) -> CompletedProcess[str]:
    """`tradex args` where `env` has all variables named TRADEX_*. It blocks, also inside a running event loop."""
    # A thread of its own, since commands start an event loop and the caller may be inside one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_run, args, env).result()


def _run(args: tuple[str, ...], env: Mapping[str, str]) -> CompletedProcess[str]:
    argv = ["tradex", *args]
    with CliRunner().isolation(env=_only(env)) as (out, err, _):
        before, sys.argv, code = sys.argv, argv, 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        finally:
            sys.argv = before
        sys.stdout.flush()
        sys.stderr.flush()
    return CompletedProcess(argv, code, out.getvalue().decode(), err.getvalue().decode())


def _only(env: Mapping[str, str]) -> dict[str, str | None]:
    """These variables, and none of the program's that the caller has himself."""
    return {name: None for name in os.environ if name.startswith("TRADEX_")} | dict(env)
