"""What all tests share: none of them sees settings of the shell or the workflow it runs in."""

import os

import pytest

_OURS = ("GITHUB_", "SOURCE_DATE_EPOCH", "TITAN_PROVENANCE_")
_FOR_TESTS = "TITAN_PROVENANCE_TEST_"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith(_OURS) and not name.startswith(_FOR_TESTS):
            monkeypatch.delenv(name)
