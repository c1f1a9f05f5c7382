"""`python -m console.sandbox serve|traffic --config FILE`: one process of the simulated platform."""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
from pathlib import Path

from console.domain.errors import TradexError
from console.sandbox.config import load


def main() -> int:
    parser = argparse.ArgumentParser(prog="console.sandbox", description=__doc__)
    parser.add_argument("part", choices=("serve", "traffic"))
    parser.add_argument("--config", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        config = load(arguments.config)
        if arguments.part == "serve":
            from console.sandbox.serve import run
        else:
            from console.sandbox.traffic import run
        # What is imported by now lives as long as the process: the collector need not walk it again and again.
        gc.freeze()
        asyncio.run(run(config))
    except KeyboardInterrupt:
        pass
    except (TradexError, OSError) as error:
        print(f"sandbox: {error}", file=sys.stderr)  # noqa: T201 - the command's one line
        return error.exit_code if isinstance(error, TradexError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
