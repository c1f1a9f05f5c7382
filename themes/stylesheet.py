"""The app's style sheet, parsed again only when something in it has changed.

Textual parses all of it twice more while it starts, with the same result: a tenth of the way to the first screen.
Depends on Textual's internals, as widgets.sparse_update does.
"""

from textual.css.stylesheet import Stylesheet


class ParsedOnce(Stylesheet):
    """As Textual's, but `reparse` is done only for new sources or other variables."""

    def __init__(self, *, variables: dict[str, str]) -> None:
        super().__init__(variables=variables)
        self._parsed_with: dict[str, str] | None = None

    def set_variables(self, variables: dict[str, str]) -> None:
        if variables != self._variables:
            super().set_variables(variables)

    def parse(self) -> None:
        super().parse()
        self._parsed_with = self._variables

    def reparse(self) -> None:
        if self._require_parse or self._variables != self._parsed_with:
            super().reparse()
            self._parsed_with = self._variables
