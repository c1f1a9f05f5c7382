"""Long kill tests: `python -m tests.chaos --n ROUNDS --seed SEED [--scenario NAME] [--rounds BLOWS]`.

Each round starts the program, kills a random process of its tree at a random moment, ends the rest with SIGTERM, and
checks that nothing survives and that the next start works with all data. The scenario `alerts` instead lets two agents
evaluate a recorded hour while they are killed and stopped; a round of `actions` kills and stops the agent once at each
boundary of an action's journal, one of `deployments` at each of a deployment, or as often as `--rounds` says. The same
seed makes the same choices.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from . import actions, alerts, deployments
from .census import Failure
from .scenarios import SCENARIOS, Book, play


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.chaos", description=__doc__)
    parser.add_argument("--n", type=int, default=20, help="rounds (default 20)")
    parser.add_argument("--seed", type=int, default=1, help="of the first round (default 1)")
    parser.add_argument(
        "--scenario", choices=[*sorted(SCENARIOS), "alerts", "actions", "deployments"], default="demo"
    )
    parser.add_argument(
        "--rounds",
        type=int,
        help="of actions and deployments: so many blows in each round (default: each boundary with each signal)",
    )
    parser.add_argument("--keep", action="store_true", help="keep the state folder, also without a failure")
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="tradex chaos "))
    book = Book()
    failed = []
    for seed in range(options.seed, options.seed + options.n):
        began = time.monotonic()
        try:
            if options.scenario == "alerts":
                told = alerts.play(home / f"alerts {seed}", random.Random(seed))
            elif options.scenario == "actions":
                told = actions.play(home / f"actions {seed}", random.Random(seed), options.rounds)
            elif options.scenario == "deployments":
                told = deployments.play(home / f"deployments {seed}", random.Random(seed), options.rounds)
            else:
                told = play(SCENARIOS[options.scenario], home / "state", random.Random(seed), book)
        except Failure as failure:
            told = f"FAILED: {failure}"
            failed.append(seed)
        print(f"seed {seed}: {time.monotonic() - began:5.1f} s: {told}", flush=True)
    if failed or options.keep:
        print(f"state folder: {home / 'state'}")
    else:
        shutil.rmtree(home)
    if failed:
        print(
            f"{options.n} rounds of {options.scenario}, of which {len(failed)} failed, with the seeds {failed}"
        )
        return 1
    print(f"{options.n} rounds of {options.scenario}: nothing outlived them, nothing was lost")
    return 0


if __name__ == "__main__":
    sys.exit(main())
