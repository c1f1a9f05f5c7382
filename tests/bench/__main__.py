"""`./dev bench`: each figure beside its goal, all taken in one run on this machine. Takes some minutes.

With words as arguments only the figures whose name holds one of them are taken.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import actions, alerts, collector, deployments, incidents, logs, person, rules, store


@dataclass(frozen=True)
class Figure:
    """One measured number and its goal; `least` says that more is better."""

    name: str
    value: float
    goal: float
    unit: str
    least: bool = False

    @property
    def good(self) -> bool:
        return self.value >= self.goal if self.least else self.value <= self.goal


def main() -> None:
    wanted = sys.argv[1:]
    groups: dict[str, Callable[[Path], Iterator[tuple[str, float, float, str, bool]]]] = {
        "person": person.figures,
        "store": store.figures,
        "collector": collector.figures,
        "rules": rules.figures,
        "logs": logs.figures,
        "alerts": alerts.figures,
        "actions": actions.figures,
        "deployments": deployments.figures,
        "incidents": incidents.figures,
    }
    table = Table("figure", "measured", "goal", "", title="tradex-console")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="tradex bench ") as folder:
        for name, take in groups.items():
            if wanted and name not in wanted:
                continue
            for row in take(Path(folder) / name):
                figure = Figure(*row)
                failed += not figure.good
                sign = ">=" if figure.least else "<="
                print(f"{figure.name}: {figure.value:.3g} {figure.unit}", file=sys.stderr)
                table.add_row(
                    figure.name,
                    f"{figure.value:.3g} {figure.unit}",
                    f"{sign} {figure.goal:g} {figure.unit}",
                    "good" if figure.good else "MISSED",
                )
    Console(width=110).print(table)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
