# SPDX-License-Identifier: Apache-2.0
"""What the tests of several runners compare with."""

from __future__ import annotations

import pytest
from support.complaints import complaints, untrained

from penstock import LocalRunner


@pytest.fixture(scope="session")
def locally(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the local runner makes of the consumer complaints, where training is not involved."""
    folder = tmp_path_factory.mktemp("local")
    result = LocalRunner().run(complaints(folder)).raise_for_failure()
    return untrained(folder / "root", result.run.id)
