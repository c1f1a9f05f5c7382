"""A store on every installed PostgreSQL: copied from one that was upgraded once."""

import pytest

from console.processes.postgres import EmbeddedPostgres
from tests.conftest import NewDatabase
from tests.store.stores import Place, upgraded


@pytest.fixture
def place(postgres_any: EmbeddedPostgres, new_database: NewDatabase, session_database: NewDatabase) -> Place:
    """An upgraded, empty store with everybody of `PEOPLE`; once per PostgreSQL version."""
    return Place(postgres_any, new_database(postgres_any, template=upgraded(postgres_any, session_database)))
