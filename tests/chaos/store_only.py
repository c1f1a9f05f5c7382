"""The smallest program with an embedded PostgreSQL and a command of relatives, for chaos rounds of a second each."""

import os
import signal
import sys
from pathlib import Path

from console.processes.postgres import EmbeddedPostgres
from console.processes.warden import spawn


def main() -> None:
    folder = Path(os.environ["TRADEX_STATE_DIR"])
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    family = Path(__file__).parent.parent / "processes" / "family.py"
    relatives = spawn([sys.executable, "-I", "-S", str(family), "stay", str(folder.parent / "lock")])
    server = EmbeddedPostgres(folder / "postgres")
    server.start()
    print("ready", flush=True)
    signal.sigwait({signal.SIGTERM})
    server.stop()
    relatives.stop(0.1)


if __name__ == "__main__":
    main()
