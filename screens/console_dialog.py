"""What the console's dialogs share: the app they ask, and the line that says where they act and as whom."""

from typing import cast

from screens.base import Host
from screens.paragraphs import Labels, Line
from themes.palette import environment_role
from widgets.cells import piece
from widgets.dialog import Dialog, Done
from widgets.look import Look

LABELS = Labels(12)
labelled = LABELS.line


class ConsoleDialog(Dialog[Done]):
    """A dialog that reads the feed of its app."""

    @property
    def host(self) -> Host:
        return cast(Host, self.app)

    def where(self, look: Look, layers: str = "") -> Line:
        """`where       PRODUCTION   platform, vercel   as alice`"""
        link = self.host.feed.snapshot.link
        name = link.environment or "no environment"
        where = (
            piece(name.upper(), look(environment_role(link.environment), bold=True)),
            piece(f"   {layers}" if layers else "", look("text")),
            piece(f"   as {link.user}", look("muted")),
        )
        return labelled("where", where, look)
