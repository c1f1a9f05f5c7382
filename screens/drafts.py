"""What somebody is writing, kept in a file while they write: a console that is killed loses none of it."""

import contextlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from console.domain.snapshot import Link
from console.domain.text import lines_of, printable

_UNSAFE = re.compile(r"[^\w-]+")


def draft_name(link: Link, what: str) -> str:
    """Under which name a draft of this person about something of this store is kept."""
    return f"{link.environment}-{link.user}-{what}"


@dataclass(frozen=True, slots=True)
class Draft:
    """`nonce` tells this draft from others of the same text."""

    nonce: str
    text: str = ""

    @property
    def key(self) -> str:
        """The same for the same text of the same draft: sent again, it is no second note."""
        # Only where something is written.
        from hashlib import sha256

        return f"{self.nonce}-{sha256(self.text.encode()).hexdigest()[:16]}"


def keys() -> Callable[..., str]:
    """Keys for what one dialog sends: the same words again, since the answer got lost, are the same call."""
    nonce = os.urandom(8).hex()
    return lambda *words: Draft(nonce, repr(words)).key


class Drafts:
    """Files in `folder`, for this person only; None: nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def _file(self, name: str) -> Path | None:
        return None if self._folder is None else self._folder / f"{_UNSAFE.sub('_', name)[:120]}.json"

    def read(self, name: str) -> Draft:
        """What was being written under this name; a new one where that is nothing, or can't be read."""
        file = self._file(name)
        if file is not None:
            with contextlib.suppress(OSError, ValueError, TypeError, LookupError, AttributeError):
                kept = json.loads(file.read_text(encoding="utf-8"))
                return Draft(printable(kept["nonce"], 64), lines_of(kept["text"]))
        return Draft(os.urandom(8).hex())

    def write(self, name: str, draft: Draft) -> str:
        """Keep it; why it could not be kept, "" when it was."""
        file = self._file(name)
        if file is None:
            return ""
        beside = file.with_suffix(f".{os.getpid()}.tmp")
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
                json.dump(asdict(draft), out)
            beside.replace(file)
        except OSError as error:
            return f"no draft is kept: {error.strerror or error}"
        return ""

    def drop(self, name: str) -> None:
        """It was sent, or given up."""
        file = self._file(name)
        if file is not None:
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
