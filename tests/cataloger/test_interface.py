import pytest

from titan_provenance.cataloger.interface import Addition, Distro, Found
from titan_provenance.errors import DocumentError
from titan_provenance.model.package import Package


def test_what_was_found_comes_back_from_json():
    found = Found(
        packages=(Package("deb", "a", hashes=(("SHA-1", "00"),)),),
        additions=(Addition("deb", "a", licenses=("MIT",)),),
        distro=Distro("debian", "12"),
        problems=("one",),
    )
    assert Found.from_json(found.to_json()) == found
    assert found.status == "partial"
    assert Found.from_json(Found().to_json()) == Found()
    assert Found().status == "succeeded"


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"unknown": 1},
        {"packages": {}},
        {"packages": [{"type": "deb"}]},
        {"additions": "x"},
        {"additions": [{"type": "deb", "key": "x", "version": None}]},
        {"distro": []},
        {"distro": {"id": 1}},
        {"problems": [1]},
    ],
)
def test_what_nothing_wrote_is_refused(value):
    with pytest.raises(DocumentError):
        Found.from_json(value)
