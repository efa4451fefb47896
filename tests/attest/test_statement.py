import re
from pathlib import Path

import pytest

from titan_provenance.attest.statement import parse_manifest, parse_statement, write_manifest
from titan_provenance.errors import DocumentError

SPEC = Path(__file__).parents[2] / "docs" / "spec" / "release-manifest-v1.md"


def test_example_of_the_specification_is_read_and_written_as_it_stands():
    example = re.search(r"```json\n(.*?)```", SPEC.read_text(), re.DOTALL)[1].encode()
    release = parse_manifest(example, "example")
    assert (release.name, release.sequence, len(release.services)) == ("titan", 7, 1)
    assert write_manifest(release) == example


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"null", b"\xff"])
def test_what_is_no_statement(data):
    with pytest.raises(DocumentError):
        parse_statement(data, "manifest.json")
