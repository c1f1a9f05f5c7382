"""Stores for the alerts' tests: those of the store's tests, on the embedded PostgreSQL alone."""

import asyncio

import pytest

from console.processes.postgres import EmbeddedPostgres
from tests.conftest import NewDatabase
from tests.store.stores import Place, prepare

_template: list[str] = []


@pytest.fixture
def place(postgres: EmbeddedPostgres, new_database: NewDatabase, session_database: NewDatabase) -> Place:
    if not _template:
        made = session_database(postgres)
        asyncio.run(prepare(postgres, made))
        _template.append(made)
    return Place(postgres, new_database(postgres, template=_template[0]))


@pytest.fixture
def second_place(place: Place, postgres: EmbeddedPostgres, new_database: NewDatabase) -> Place:
    """Another one, for comparing."""
    return Place(postgres, new_database(postgres, template=_template[0]))
