"""Screens are tested in a frozen moment: no animation, UTF-8, plots loaded before the first paint."""

import os
import sys

import pytest

os.environ["TEXTUAL_ANIMATIONS"] = "none"
os.environ["LC_ALL"] = "C.UTF-8"
for variable in ("TRADEX_ASCII", "NO_COLOR", "TEXTUAL_THEME"):
    os.environ.pop(variable, None)


@pytest.fixture(autouse=True, scope="session")
def _frozen() -> None:
    from textual import constants

    from widgets import plot

    # Textual reads its variables once; another test of this run may have been first.
    constants.TEXTUAL_ANIMATIONS = "none"  # type: ignore[misc]
    plot.load()
    assert "plotext" in sys.modules
