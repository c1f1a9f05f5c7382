"""Text into the person's clipboard, and in words where it went: through tmux where there is one, else by the terminal's
own sequence (OSC 52), of which nobody says whether it was taken."""

import asyncio
import os
import shutil

from textual.app import App

from console.domain.text import lines_of, printable

_WITHIN_S = 2.0


async def copy(app: App[None], text: str, *, lines: bool = False) -> str:
    """Copy one line, or several `lines`; says what was done."""
    text = lines_of(text, 200_000) if lines else printable(text, 4000)
    tmux = shutil.which("tmux") if os.environ.get("TMUX") else None
    if tmux is not None and await _into_tmux(tmux, text):
        return "copied into tmux's buffer, and to the terminal where it lets tmux"
    app.copy_to_clipboard(text)
    return "sent to the terminal's clipboard (OSC 52)"


async def _into_tmux(tmux: str, text: str) -> bool:
    """Whether tmux took it. The text goes through its standard input: an argument could be seen by everybody."""
    try:
        async with asyncio.timeout(_WITHIN_S):
            process = await asyncio.create_subprocess_exec(
                *(tmux, "load-buffer", "-w", "-"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            await process.communicate(text.encode())
            return process.returncode == 0
    except (OSError, TimeoutError):
        return False
