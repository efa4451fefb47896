import json

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.output.xml import XmlV1Dot6
from fakes.bills import LEFT_PAD, LODASH, bill_of, component, small_bill
from hypothesis import given
from hypothesis import strategies as st

from titan_provenance.errors import DocumentError
from titan_provenance.model.package import Package
from titan_provenance.sbom.cyclonedx import SPEC_VERSIONS, write_cyclonedx
from titan_provenance.sbom.reader import parse_purl, read_bill
from titan_provenance.sbom.spdx import write_spdx


@pytest.mark.parametrize("version", SPEC_VERSIONS)
def test_our_own_document_is_read_back_whole(version):
    bill = read_bill(write_cyclonedx(small_bill(), version), "bom.json")
    assert bill.making.tools == ("titan-provenance",)
    assert bill._replace(making=small_bill().making) == small_bill()


def test_spdx_is_read_to_the_same_packages_and_edges():
    bill = read_bill(write_spdx(small_bill()), "bom.spdx.json")
    assert [item.ref for item in bill.components] == [item.ref for item in small_bill().components]
    assert bill.dependencies == small_bill().dependencies
    assert [item.license for item in bill.components] == [
        item.license for item in small_bill().components
    ]
    assert bill.components[2].package.locations == LEFT_PAD.package.locations


def test_xml_is_read_through_the_library():
    document = json.loads(write_cyclonedx(small_bill()))
    xml = XmlV1Dot6(Bom.from_json(document)).output_as_string().encode()
    bill = read_bill(xml, "bom.xml")
    assert {item.ref for item in bill.components} == {item.ref for item in small_bill().components}
    assert bill.dependencies[LEFT_PAD.ref] == (LODASH.ref,)


def test_xml_with_entities_is_refused():
    with pytest.raises(DocumentError, match="entities"):
        read_bill(b'<!DOCTYPE x [<!ENTITY a "b">]><bom>&a;</bom>', "bom.xml")


def test_document_of_another_tool():
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "metadata": {"timestamp": "2026-11-23T07:00:00.123+01:00", "component": {"name": "x"}},
        "components": [
            {"type": "operating-system", "name": "debian", "version": "12"},
            {
                "bom-ref": "a",
                "name": "libc6",
                "purl": "pkg:deb/debian/libc6@2.36-9?arch=amd64&epoch=1",
                "licenses": [{"license": {"id": "LGPL-2.1-only"}}, {"license": {"name": "BSD"}}],
                "components": [{"bom-ref": "b", "name": "n", "purl": "pkg:npm/n@1"}],
            },
        ],
        "dependencies": [{"ref": "a", "dependsOn": ["b", "gone"]}],
    }
    bill = read_bill(json.dumps(document).encode(), "syft.json")
    assert bill.distro.id == "debian"
    assert bill.created.isoformat() == "2026-11-23T07:00:00+01:00"
    libc, nested = bill.components
    assert libc.license == "LGPL-2.1-only AND LicenseRef-BSD"
    assert bill.dependencies == {libc.ref: (nested.ref,)}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"<x/>",
        b"<",
        b'{"bomFormat": "CycloneDX", "components": 1}',
        b'{"bomFormat": "CycloneDX", "components": [1]}',
        b'{"bomFormat": "CycloneDX", "components": [{"purl": "x"}]}',
        b'{"spdxVersion": "SPDX-2.3", "packages": [{}]}',
        b'{"spdxVersion": "SPDX-3.0"}',
    ],
)
def test_what_is_no_bill(data):
    with pytest.raises(DocumentError):
        read_bill(data, "bom.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = ("metadata", "components", "dependencies", "packages", "relationships", "creationInfo")


@given(st.dictionaries(st.sampled_from(KEYS), JSON), st.booleans())
def test_any_document_gives_a_bill_or_our_own_error(document, spdx):
    head = {"spdxVersion": "SPDX-2.3"} if spdx else {"bomFormat": "CycloneDX"}
    try:
        read_bill(json.dumps({**document, **head}).encode(), "bom.json")
    except DocumentError as error:
        assert str(error).startswith("bom.json: ")  # noqa: PT017 - most documents are fine


@pytest.mark.parametrize(
    "purl",
    [
        "pkg:npm/%40scope/left-pad@1.3.0",
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?arch=amd64&distro=debian-12",
        "pkg:golang/github.com/nats-io/nats-server@v2.10.0",
        "pkg:generic/openssl",
    ],
)
def test_package_urls_are_read_and_written_again(purl):
    assert parse_purl(purl).purl == purl


@pytest.mark.parametrize("text", ["", "x", "pkg:", "pkg:npm", "pkg:npm/", "http://a/b", "pkg:/a"])
def test_what_is_no_package_url(text):
    with pytest.raises(DocumentError):
        parse_purl(text)


def test_bill_of_many_packages_is_read():
    many = [component(Package("npm", f"p{n}", "1", locations=(f"x/{n}",))) for n in range(4000)]
    bill = bill_of(many)
    assert len(read_bill(write_cyclonedx(bill), "bom.json").components) == 4000
