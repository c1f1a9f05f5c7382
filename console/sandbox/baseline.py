"""How the simulated host behaves without a fault, as a function of time alone.

Live `/metrics` and the seeded history are drawn from the same curves, so that there is no seam between them.
Times are seconds since 1970 (UTC); results are percentages, counts or ms as named.
"""

from __future__ import annotations

import math

MEMORY_BYTES = 16 * 1024**3
DISK_BYTES = 200 * 1024**3
FULL_RATE = 20.0
SPARSE_RATE = 1.0
# How the host's busy time divides; waiting for disks is idle to those who watch the CPU.
USER_SHARE, SYSTEM_SHARE, IOWAIT_SHARE = 0.75, 0.22, 0.03

_DAY = 86400


def day_curve(at: float) -> float:
    """The platform's day: 0.55 in the small hours, 1.45 in the afternoon (UTC), mean 1."""
    return 1 + 0.45 * math.sin(2 * math.pi * (at % _DAY) / _DAY - 2.2)


def wander(at: float, channel: int) -> float:
    """Smooth noise in -1..1 without a period anybody would notice; another `channel`, another curve."""
    phase = channel * 2.399
    return (
        0.5 * math.sin(at / 97.3 + phase)
        + 0.3 * math.sin(at / 31.7 + 2.1 * phase)
        + 0.2 * math.sin(at / 11.1 + 3.7 * phase)
    )


def cpu_pct(at: float) -> float:
    return 41 + 9 * (day_curve(at) - 1) + 4 * wander(at, 1)


def memory_pct(at: float) -> float:
    return 62.5 + 4 * (day_curve(at) - 1) + 1.2 * wander(at, 2)


def disk_pct(at: float) -> float:
    return 33.5 + 1.2 * ((at % (7 * _DAY)) / (7 * _DAY)) + 0.05 * wander(at, 3)


def near(at: float, mean: float, spread: float, channel: int) -> float:
    """A quiet measurement: `mean`, wandering by at most `spread`."""
    return mean + spread * wander(at, channel)
