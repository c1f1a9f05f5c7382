"""The panel of the checks before a deployment, beside the pipeline."""

from datetime import datetime

from console.domain.snapshot import Snapshot
from screens.checklist_rows import about, checklist_lines, release_of
from widgets.fact_list import FactList
from widgets.opened import Openable
from widgets.panel import set_subtitle, set_title


class Checklist(FactList, Openable, can_focus=True):
    """Enter opens them."""

    def draw(self, snapshot: Snapshot, now: datetime) -> None:
        """How the last run stands, as far as there is room."""
        run, (width, height) = snapshot.checklist, self.content_size
        set_title(self, " ".join(filter(None, ("Pre-deployment", "" if run is None else release_of(run)))))
        why_not = "" if snapshot.control else " "
        self.show(checklist_lines(run, self.look, width or 36, height or 10, why_not=why_not))
        set_subtitle(self, about(run, now))
