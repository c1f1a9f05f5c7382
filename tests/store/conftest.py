"""A store on every installed PostgreSQL: copied from one that was upgraded once."""

import asyncio

import pytest

from console.processes.postgres import EmbeddedPostgres
from tests.conftest import NewDatabase
from tests.store.stores import Place, prepare

_templates: dict[int, str] = {}


@pytest.fixture
def place(postgres_any: EmbeddedPostgres, new_database: NewDatabase, session_database: NewDatabase) -> Place:
    """An upgraded, empty store with everybody of `PEOPLE`; once per PostgreSQL version."""
    if postgres_any.port not in _templates:
        template = session_database(postgres_any)
        asyncio.run(prepare(postgres_any, template))
        _templates[postgres_any.port] = template
    return Place(postgres_any, new_database(postgres_any, template=_templates[postgres_any.port]))
