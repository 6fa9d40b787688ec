"""What the tests of deployment share."""

from pathlib import Path

import pytest

from tests.support.bundles import bundle


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    return bundle(tmp_path_factory.mktemp("bundle") / "good")
