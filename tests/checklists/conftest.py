"""Stores for the tests of checklists: those of the store's tests, on the embedded PostgreSQL alone."""

import pytest

from console.processes.postgres import EmbeddedPostgres
from tests.conftest import NewDatabase
from tests.store.stores import Place, upgraded


@pytest.fixture
def place(postgres: EmbeddedPostgres, new_database: NewDatabase, session_database: NewDatabase) -> Place:
    return Place(postgres, new_database(postgres, template=upgraded(postgres, session_database)))
