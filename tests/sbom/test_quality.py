import json

import pytest
from fakes.bills import LEFT_PAD, LODASH, MUSL, NATS, small_bill

from titan_provenance.sbom.cyclonedx import write_cyclonedx
from titan_provenance.sbom.quality import PROFILES, check_quality
from titan_provenance.sbom.reader import read_bill
from titan_provenance.sbom.spdx import write_spdx


@pytest.fixture
def bill():
    return read_bill(write_cyclonedx(small_bill()), "bom.json")


def test_missing_fields_are_named_with_their_components(bill):
    report = check_quality(bill, "ntia")
    assert [(item.field, item.components) for item in report.missing] == [
        ("supplier name", (NATS.ref, LODASH.ref))
    ]
    assert report.score == round(100 * 17 / 19, 1)
    assert not report.passed


def test_profiles_ask_for_different_things(bill):
    cisa = {item.field for item in check_quality(bill, "cisa-2025").missing}
    assert cisa == {"software producer", "component hash", "licence"}
    bsi = {item.field: item.components for item in check_quality(bill, "bsi-tr-03183-2").missing}
    assert LEFT_PAD.ref not in bsi["SHA-512 of the deployable component"]
    assert MUSL.ref in bsi["SHA-512 of the deployable component"]


def test_same_answer_for_spdx_where_the_format_can_say_it(bill):
    spdx = read_bill(write_spdx(small_bill()), "bom.spdx.json")
    assert check_quality(spdx, "ntia") == check_quality(bill, "ntia")


def test_vulnerabilities_inside_are_against_the_guideline():
    document = json.loads(write_cyclonedx(small_bill()))
    document["vulnerabilities"] = [{"id": "CVE-2026-1"}]
    bill = read_bill(json.dumps(document).encode(), "bom.json")
    missing = {item.field for item in check_quality(bill, "bsi-tr-03183-2").missing}
    assert "no vulnerabilities inside" in missing


@pytest.mark.parametrize("profile", PROFILES)
def test_document_that_says_nothing(profile):
    bill = read_bill(b'{"bomFormat": "CycloneDX"}', "bom.json")
    report = check_quality(bill, profile)
    assert {"timestamp"} <= {item.field for item in report.missing}
    assert report.score < 100
