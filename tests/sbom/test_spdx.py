import json

from fakes.bills import small_bill
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from titan_provenance.sbom.spdx import write_spdx


def read():
    return JsonLikeDictParser().parse(json.loads(write_spdx(small_bill())))


def test_document_is_valid_and_read_to_the_same_packages():
    document = read()
    assert validate_full_spdx_document(document) == []
    names = {(package.name, package.version) for package in document.packages}
    assert names == {
        ("registry.example/titan/brain", "1.4.0"),
        ("@scope/left-pad", "1.3.0"),
        ("lodash", "4.17.20"),
        ("musl", "1.2.5-r0"),
        ("github.com/nats-io/nats-server/v2", "v2.10.0"),
    }


def test_same_bytes_each_time():
    assert write_spdx(small_bill()) == write_spdx(small_bill())


def test_licences_that_spdx_does_not_know_are_explained():
    document = json.loads(write_spdx(small_bill()))
    assert [item["licenseId"] for item in document["hasExtractedLicensingInfos"]] == [
        "LicenseRef-WTFPL-ish"
    ]


def test_purls_are_external_references():
    document = json.loads(write_spdx(small_bill()))
    locators = {
        reference["referenceLocator"]
        for package in document["packages"]
        for reference in package["externalRefs"]
    }
    assert {item.ref for item in small_bill().components} < locators
