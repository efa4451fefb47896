import json
import random

import pytest
from cyclonedx.model.bom import Bom
from fakes.bills import APP, LEFT_PAD, LODASH, MUSL, bill_of, component, reached, small_bill
from fakes.schemas import cyclonedx_validators

from titan_provenance.model.package import Package
from titan_provenance.sbom.cyclonedx import SPEC_VERSIONS, root_purl, write_cyclonedx


@pytest.fixture(scope="module")
def validators():
    return cyclonedx_validators()


@pytest.mark.parametrize("version", SPEC_VERSIONS)
def test_document_is_valid_and_the_library_reads_the_same_packages(validators, version):
    data = write_cyclonedx(small_bill(), version)
    validators[version].validate(json.loads(data))
    bom = Bom.from_json(json.loads(data))
    found = {(c.group, c.name, c.version) for c in bom.components}
    assert found == {
        (None, "alpine", "3.20.3"),
        (None, "musl", "1.2.5-r0"),
        ("@scope", "left-pad", "1.3.0"),
        (None, "lodash", "4.17.20"),
        ("github.com/nats-io/nats-server", "v2", "v2.10.0"),
    }
    assert str(bom.metadata.component.name) == "registry.example/titan/brain"


def test_same_bytes_whatever_the_order_of_dictionaries():
    assert write_cyclonedx(small_bill()) == write_cyclonedx(small_bill())
    document = json.loads(write_cyclonedx(small_bill()))
    assert document["metadata"]["timestamp"] == "2026-11-23T07:00:00Z"


def test_graph_reaches_every_component_from_the_root():
    bill = small_bill()
    graph = {item["ref"]: item.get("dependsOn", []) for item in parsed(bill)["dependencies"]}
    assert graph[root_purl(bill)] == [
        "os:alpine@3.20.3",
        *sorted([MUSL.ref, LEFT_PAD.ref, *nats(bill)]),
    ]
    assert graph[LEFT_PAD.ref] == [LODASH.ref]
    assert reached(graph, root_purl(bill)) == set(graph)


def test_circles_are_no_orphans():
    members = [component(Package("npm", f"p{n}", "1", locations=("x",))) for n in range(50)]
    refs = [item.ref for item in members]
    generator = random.Random(7)  # noqa: S311 - a graph, not a secret
    edges = {ref: tuple(generator.sample(refs, 2)) for ref in refs}
    edges[refs[0]], edges[refs[1]] = (refs[1],), (refs[0],)
    graph = {
        item["ref"]: item.get("dependsOn", [])
        for item in parsed(bill_of(members, edges))["dependencies"]
    }
    assert reached(graph, root_purl(bill_of(members))) == set(graph)


def test_component_says_where_it_comes_from():
    item = next(c for c in parsed(small_bill())["components"] if c["bom-ref"] == LEFT_PAD.ref)
    assert item["group"] == "@scope"
    assert item["evidence"]["occurrences"] == [
        {"location": "/app/node_modules/@scope/left-pad/package.json"},
        {"location": "/app/x/package.json"},
    ]
    properties = {entry["name"]: entry["value"] for entry in item["properties"]}
    assert properties == {
        "titan-provenance:cataloger": "node",
        "titan-provenance:layer:createdBy": APP.created_by,
        "titan-provenance:layer:diffID": str(APP.diff_id),
        "titan-provenance:layer:digest": str(APP.digest),
        "titan-provenance:layer:index": "1",
        "titan-provenance:origin": "service",
    }
    assert item["licenses"] == [
        {"expression": "LicenseRef-WTFPL-ish OR MIT", "acknowledgement": "declared"}
    ]


def test_compositions_say_what_is_complete():
    compositions = parsed(small_bill())["compositions"]
    assert compositions[0]["aggregate"] == "incomplete"
    aggregates = {entry["assemblies"][0]: entry["aggregate"] for entry in compositions[1:]}
    assert aggregates[MUSL.ref] == "complete"
    assert aggregates[LEFT_PAD.ref] == "incomplete"


def test_empty_image_is_valid(validators):
    validators["1.6"].validate(parsed(bill_of([])))


def test_names_that_are_no_unicode_text_are_written_as_valid_json(validators):
    bad = component(Package("npm", "\udcff\udc80", "1", locations=("a\udcffb",)))
    validators["1.6"].validate(parsed(bill_of([bad])))


def parsed(bill):
    return json.loads(write_cyclonedx(bill))


def nats(bill):
    return [item.ref for item in bill.components if "nats" in item.ref]
