"""Bills of materials of the seven real images: the same from every source, valid, and complete."""

import json
import os
import sys

import pytest
from fakes.bills import reached
from fakes.schemas import cyclonedx_validators
from real.parts import SERVICES, VERSION, run_well
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from titan_provenance.sbom.reader import read_bill

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def generate(tmp_path_factory):
    """Return a function that makes the bill of an image, with a cache that all calls share."""
    cache = str(tmp_path_factory.mktemp("cache"))

    def run(image, service, *options):
        words = ["sbom", "generate", image, "--name", f"titan/{service}:{VERSION}", *options]
        program = os.path.join(os.path.dirname(sys.executable), "titan-provenance")
        return run_well(program, *words, TITAN_PROVENANCE_CACHE=cache).encode()

    return run


@pytest.mark.parametrize("service", SERVICES)
def test_same_bytes_again_from_the_registry_and_with_a_warm_cache(
    generate, pushed, layouts, service
):
    layout = f"oci-dir:{layouts}/{service}"
    cold = generate(layout, service, "--no-cache")
    assert generate(layout, service) == cold
    assert generate(layout, service) == cold
    assert generate(f"registry:{pushed.repository(service)}:{VERSION}", service) == cold


@pytest.mark.parametrize("service", SERVICES)
def test_engine_shows_the_same_packages_in_the_same_layers(generate, pulled, layouts, service):
    def packages(image):
        bill = read_bill(generate(image, service), service)
        return [(c.ref, c.layer.diff_id, c.origin, c.license) for c in bill.components]

    engine = packages(f"docker:{pulled.repository(service)}:{VERSION}")
    assert engine == packages(f"oci-dir:{layouts}/{service}")


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("version", ["1.6", "1.7"])
def test_documents_are_valid_and_their_graph_has_no_orphans(generate, layouts, service, version):
    image = f"oci-dir:{layouts}/{service}"
    document = json.loads(generate(image, service, "--spec-version", version))
    cyclonedx_validators()[version].validate(document)
    refs = [component["bom-ref"] for component in document["components"]]
    assert len(refs) == len(set(refs))
    graph = {item["ref"]: item.get("dependsOn", []) for item in document["dependencies"]}
    root = document["metadata"]["component"]["bom-ref"]
    assert reached(graph, root) == set(graph) == {root, *refs}


@pytest.mark.parametrize("service", SERVICES)
def test_spdx_is_valid_and_names_the_same_packages(generate, layouts, service):
    image = f"oci-dir:{layouts}/{service}"
    text = generate(image, service, "--format", "spdx-json")
    document = JsonLikeDictParser().parse(json.loads(text))
    assert validate_full_spdx_document(document) == []
    spdx = [component.ref for component in read_bill(text, service).components]
    other = read_bill(generate(image, service), service)
    assert spdx == [component.ref for component in other.components]
