import json

from fakes.bills import LEFT_PAD, LODASH, MUSL, NATS, bill_of, reached

from titan_provenance.model.digest import Digest
from titan_provenance.sbom.cyclonedx import root_purl
from titan_provenance.sbom.fleet import FleetBill, write_fleet


def fleet():
    brain = bill_of([MUSL, LEFT_PAD, LODASH], {LEFT_PAD.ref: (LODASH.ref,)})
    nats = bill_of([MUSL, NATS], name="registry.example/titan/nats", digest=Digest.of(b"nats"))
    return FleetBill("titan", "1.4.0", {"nats": nats, "brain": brain})


def test_shared_packages_are_there_once_and_name_their_services():
    document = json.loads(write_fleet(fleet()))
    refs = [item["bom-ref"] for item in document["components"]]
    assert len(refs) == len(set(refs)) == 2 + 4
    musl = next(item for item in document["components"] if item["name"] == "musl")
    assert [p["value"] for p in musl["properties"] if p["name"].endswith(":service")] == [
        "brain",
        "nats",
    ]


def test_release_leads_to_services_and_those_to_every_package():
    document = json.loads(write_fleet(fleet()))
    graph = {item["ref"]: item.get("dependsOn", []) for item in document["dependencies"]}
    root = document["metadata"]["component"]["bom-ref"]
    assert set(graph[root]) == {root_purl(bill) for bill in fleet().services.values()}
    assert reached(graph, root) == set(graph)


def test_same_bytes_each_time():
    assert write_fleet(fleet()) == write_fleet(fleet())
