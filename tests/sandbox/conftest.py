"""One PostgreSQL and one running platform per worker: its roles belong to the whole server, so it has its own."""

from pathlib import Path

from tests.dear import on_one_worker, running_platform

pytest_collection_modifyitems = on_one_worker("sandbox", Path(__file__).parent)
cluster, platform = running_platform("sandbox")
