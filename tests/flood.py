"""A program that prints very much: `python flood.py NAME BYTES [FILE]`, numbered lines of 1,000 bytes and an end of its
own. When it has printed that, FILE gets the time of the monotonic clock."""

import sys
import time
from pathlib import Path

LINE = 1000
_TEXT = "compiling src/orders/execute.ts: ok, 12 ms; " * 30


def main(name: str, size: int, file: Path | None) -> None:
    for number in range(size // LINE):
        print(f"{name} {number} {_TEXT}"[: LINE - 1])
    print(f"{name}: the very end", flush=True)
    if file is not None:
        file.write_text(str(time.monotonic()))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)
