"""The stand-ins on a running platform of their own."""

from pathlib import Path

import pytest

from tests.dear import on_one_worker, running_platform
from tests.sandbox.deploying import Workshop
from tests.sandbox.platform import Platform

pytest_collection_modifyitems = on_one_worker("contract", Path(__file__).parent)
cluster, platform = running_platform("contract")


@pytest.fixture(scope="module")
def shop(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(platform, tmp_path_factory.mktemp("shop"))
