"""All kinds of actions: those in code, and those that actions.yaml declares.

The shipped file with an installation's own merged over it, entry by entry; of the kinds in code it sets the rules and
the guards' numbers. What is wrong is a Misuse with file and line.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from console.actions.declaration import declared, ruled, whole
from console.actions.kind import Kind
from console.actions.kinds import account, block, maintenance
from console.actions.kinds.account import ReinstateAccount, ResetPassword, SuspendAccount
from console.actions.kinds.block import BlockIp, UnblockIp
from console.actions.kinds.deploy import Deploy, Rollback
from console.actions.kinds.maintenance import Maintenance
from console.located import Table, layered, read

SHIPPED = Path(__file__).resolve().parent.parent / "defaults" / "actions.yaml"
_MANY = "second_person_above_users"
_InCode = BlockIp | UnblockIp | SuspendAccount | ReinstateAccount | ResetPassword | Maintenance


def load(
    path: Path | None, doors: Collection[str], deployments: Collection[Deploy | Rollback] = ()
) -> Mapping[str, Kind]:
    """All kinds by name; `doors` are those of the platform that are configured. Raises Misuse."""
    top = _top(read(SHIPPED))
    if path is not None:
        top = layered(top, _top(read(path)), whole=("steps", "parameters"))
    many = whole(top.table("guards"), _MANY, 0, 1_000_000)
    own = {kind.spec.name: kind for kind in (*_in_code(doors, many), *deployments)}
    kinds: dict[str, Kind] = {**own}
    entries = top.table("actions")
    for name in entries:
        entry = entries.table(name)
        if name in own:
            kinds[name] = replace(own[name], spec=ruled(entry, own[name].spec))
        else:
            kinds[name] = declared(name, entry, doors)
    for kind in kinds.values():
        undo = kind.spec.undo
        if undo and undo not in kinds:
            entries.table(kind.spec.name).fail("undo", "the name of an action that there is")
    return MappingProxyType(kinds)


def _in_code(doors: Collection[str], many: int) -> tuple[_InCode, ...]:
    """The kinds that need more than a declaration."""
    return (*block.kinds(doors, many), *account.kinds(doors), *maintenance.kinds(doors))


def _top(table: Table) -> Table:
    table.only(("actions", "guards"), "section")
    if "guards" in table:
        table.table("guards").only((_MANY,), "number of a guard")
    if "actions" in table:
        entries = table.table("actions")
        for name in entries:
            entries.table(name)
    return table
