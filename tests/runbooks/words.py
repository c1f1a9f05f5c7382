"""What the steps of these tests may name: what ships."""

from console.actions.duties import Actions
from console.checks.registry import OCCASIONS
from console.metrics import catalogue
from console.runbooks.library import Library
from console.runbooks.reading import Vocabulary
from console.settings import Settings

WORDS = Vocabulary(
    kinds={name: kind.spec for name, kind in Actions(Settings()).surroundings.kinds.items()},
    checks=frozenset(check.id for listed in OCCASIONS.values() for check in listed),
    specs={spec.name: spec for spec in catalogue.load().specs},
)
SHELF = Library().load(WORDS)
