"""A process that uses the process layer and may be killed by a test: commands as JSON lines in, answers out.

Standard library and `console.processes` only, so that it runs under any Python and any user.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from console.domain.errors import TradexError
from console.processes import postgres, warden
from console.processes.postgres import EmbeddedPostgres
from console.processes.warden import Child, spawn

child: Child | None = None
server: EmbeddedPostgres | None = None


def do(name: str, arguments: dict[str, Any]) -> Any:
    global child, server
    if name == "spawn":
        log = arguments.pop("log", None)
        child = spawn(arguments.pop("argv"), log=Path(log) if log else None, **arguments)
        return child.pid
    if name == "start":
        postgres._LOCK_WAIT_S = arguments.get("lock_wait_s", postgres._LOCK_WAIT_S)
        server = EmbeddedPostgres(Path(arguments["folder"]))
        server.start()
        return {"port": server.port, "password": server.password, "socket": str(server.socket_dir)}
    if name == "again":
        assert server is not None
        server.start()
        return {"port": server.port, "password": server.password, "socket": str(server.socket_dir)}
    if name == "server_stop":
        assert server is not None
        server.stop()
        return None
    if name == "fork":
        # A forked copy of this process: it holds every descriptor, the heartbeat's too.
        pid = os.fork()
        if pid == 0:
            while True:
                signal.pause()
        return pid
    assert child is not None
    if name == "wait":
        return child.wait(arguments["timeout"])
    if name == "stop":
        return child.stop(arguments["grace_s"])
    if name == "kill":
        warden._LAST_S = arguments["last_s"]
        return child.kill()
    if name == "beat":
        # As long as this process runs, and no longer.
        beaten = child

        def beat() -> None:
            while True:
                beaten.beat()
                time.sleep(0.05)

        return threading.Thread(target=beat, daemon=True).start()
    if name == "running":
        return child.running()
    if name == "signal":
        return child.signal(arguments["number"])
    if name == "forget":
        child = None
        return None
    raise ValueError(name)


def main() -> None:
    for line in sys.stdin:
        arguments = json.loads(line)
        try:
            answer = do(arguments.pop("do"), arguments)
        except (TradexError, TimeoutError) as error:
            answer = {"error": str(error), "kind": type(error).__name__}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
