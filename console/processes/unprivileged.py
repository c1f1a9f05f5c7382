"""PostgreSQL refuses to run as root: how root runs it all the same, with the least change to the machine."""

import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

NOBODY = 65534
_UNSHARE = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--")


@dataclass(frozen=True, slots=True)
class Disguise:
    """`prefix` stands before the command; `owner` (uid, gid) must own its files, None: they stay as they are."""

    prefix: tuple[str, ...] = ()
    owner: tuple[int, int] | None = None

    def give(self, folder: Path) -> None:
        """Hand `folder` and what is in it to the owner. OSError when that is not allowed."""
        if self.owner is None:
            return
        for path in (folder, *folder.iterdir()):
            # A folder below that is the owner's already was made by the command, with all that is in it.
            if path.lstat().st_uid == self.owner[0]:
                continue
            os.chown(path, *self.owner, follow_symlinks=False)
            if path != folder and path.is_dir() and not path.is_symlink():
                for below in path.rglob("*"):
                    os.chown(below, *self.owner, follow_symlinks=False)


def disguise(folder: Path) -> Disguise:
    """How to run a command that refuses root, on files below `folder`.

    As root in a user namespace in which root is called nobody, so that no file changes hands. Where such
    namespaces are not allowed as nobody itself, who then owns the folder. A folder that is somebody's already
    stays theirs.
    """
    if os.geteuid() != 0:
        return Disguise()
    found = folder.stat()
    if found.st_uid != 0:
        return _as_user(found.st_uid, found.st_gid)
    if _works(_UNSHARE):
        return Disguise(_UNSHARE)
    return _as_user(NOBODY, NOBODY)


def _as_user(uid: int, gid: int) -> Disguise:
    return Disguise(("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--"), (uid, gid))


@cache
def _works(prefix: tuple[str, ...]) -> bool:
    try:
        return subprocess.run([*prefix, "true"], capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
