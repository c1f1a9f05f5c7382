"""One store per file."""

import pytest

from console.processes.postgres import EmbeddedPostgres
from tests.conftest import NewDatabase
from tests.store.stores import Place, upgraded


@pytest.fixture(scope="module")
def place(postgres: EmbeddedPostgres, session_database: NewDatabase) -> Place:
    """An upgraded store with everybody of `PEOPLE`."""
    return Place(postgres, session_database(postgres, template=upgraded(postgres, session_database)))
