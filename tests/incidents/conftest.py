"""One store per file: each test opens incidents of its own in it."""

import pytest

from console.processes.postgres import EmbeddedPostgres
from tests.conftest import NewDatabase
from tests.store.stores import Place, upgraded


@pytest.fixture(scope="module")
def room(postgres: EmbeddedPostgres, session_database: NewDatabase) -> Place:
    """An upgraded store with everybody of `PEOPLE`; its time runs ten times as fast."""
    return Place(postgres, session_database(postgres, template=upgraded(postgres, session_database)))
