"""The main job on real input: seven images in a real registry and engine, released and verified."""

import json
import os
import shutil

import pytest
import yaml
from fakes.host import refused_by
from real.parts import (
    SERVICES,
    VERSION,
    Workplace,
    changed_byte,
    for_each,
    pulled_images,
    require,
    run,
    run_well,
)

from titan_provenance.cli.demo_images import write_image

pytestmark = pytest.mark.real


@pytest.fixture
def place(tmp_path, pushed):
    """Return a workplace with a signed release of what the registry has."""
    workplace = Workplace(tmp_path, pushed.host)
    assert workplace.build("registry").code == 0
    workplace.sign(workplace.new_key())
    return workplace


@pytest.fixture
def archives(tmp_path, layouts):
    """Return a directory with the seven images as OCI archives."""
    require(shutil.which("skopeo"), "skopeo")
    root = tmp_path / "archives"
    root.mkdir()

    def pack(service):
        source = f"oci:{layouts}/{service}:{VERSION}"
        run_well("skopeo", "copy", "--quiet", source, f"oci-archive:{root}/{service}.tar:{VERSION}")

    for_each(pack, SERVICES)
    return str(root)


def test_every_source_gives_the_same_seven_digests(tmp_path, pulled, layouts, archives):
    place = Workplace(tmp_path, pulled.host)
    sources = ["registry", "docker", f"oci-dir:{layouts}", f"oci-archive:{archives}"]
    found = []
    for number, source in enumerate(sources):
        manifest = place.path(f"{number}.json")
        outcome = place.build(source, output=manifest)
        assert outcome.code == 0, (source, outcome)
        found.append(place.digests(manifest))
    assert len(set(found[0].values())) == len(SERVICES)
    assert found[1:] == 3 * [found[0]]

    together = place.build(*sources)
    assert together.code == 0, together
    assert place.digests() == found[0]


def test_skopeo_finds_the_same_digests(place, pushed):
    def inspect(service):
        reference = f"docker://{pushed.repository(service)}:{VERSION}"
        command = ("skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", reference)
        return service, run_well(*command).strip()

    assert dict(for_each(inspect, SERVICES)) == place.digests()


def test_the_release_passes_and_its_override_can_be_deployed(place, engine):
    del engine
    outcome = place.verify("--registry", "--override", place.override)
    assert (outcome.code, outcome.document["verdict"]) == (0, "PASSED"), outcome
    with open(place.override, encoding="utf-8") as file:
        pinned = {name: entry["image"] for name, entry in yaml.safe_load(file)["services"].items()}
    with open(place.manifest, encoding="utf-8") as file:
        released = json.load(file)["predicate"]["services"].values()
    assert pinned == {entry["compose"]: entry["image"] for entry in released}
    with pulled_images(pinned.values()):
        for entry in released:
            inspect = ("docker", "image", "inspect", "--format", "{{.Id}}", entry["image"])
            # The classic image store has the config's digest as the id, containerd's the image's.
            known = {entry["platforms"][0]["config"], entry["image"].partition("@")[2]}
            assert run_well(*inspect).strip() in known


def test_the_verdict_is_the_same_without_a_network(place):
    wrapper = ("unshare", "--net")
    if not shutil.which("unshare") or run(*wrapper, "true").code:
        require(None, "the right to make an empty network namespace")
    online, offline = place.verify(), place.verify(wrapper=wrapper)
    assert (offline.code, offline.document["verdict"]) == (0, "PASSED"), offline
    assert offline.document == online.document
    unreachable = place.verify("--registry", wrapper=wrapper)
    assert unreachable.code == 3, unreachable
    assert refused_by(unreachable.document)[0] == "registry"


# --- one byte changed ----------------------------------------------------------------------------


def image_manifest(place, registry):
    return registry.blob(place.digests()["brain"])


def image_config(place, registry):
    with open(image_manifest(place, registry), encoding="utf-8") as file:
        return registry.blob(json.load(file)["config"]["digest"])


USAGE = "usage or configuration error"

ONE_BYTE = {
    # what: (file, the text that stands before the byte, refused by, exit code)
    "manifest": (lambda p, _: p.manifest, "@sha256:", "envelope", 1),
    "bundle, payload": (lambda p, _: p.manifest + ".sigstore.json", '"payload": "', "envelope", 1),
    "bundle, signature": (lambda p, _: p.manifest + ".sigstore.json", '"sig": "ME', "signature", 1),
    "bundle, hint": (lambda p, _: p.manifest + ".sigstore.json", '"hint": "', "signature", 1),
    "trust policy": (lambda p, _: os.path.join(p.keys, "trust.yaml"), 'hint: "', USAGE, 2),
    "public key": (lambda p, _: os.path.join(p.keys, "ci.pub"), "KEY-----\nMFkwEwYH", USAGE, 2),
    "image, manifest": (image_manifest, '"digest":"sha256:', "registry", 1),
    "image, config": (image_config, "sha256:", "registry", 1),
}


@pytest.mark.parametrize("what", ONE_BYTE)
def test_one_changed_byte_is_refused(what, place, pushed):
    find, before, check, code = ONE_BYTE[what]
    with changed_byte(find(place, pushed), before):
        outcome = place.verify("--registry", "--override", place.override)
    assert outcome.code == code, outcome
    if check == USAGE:
        assert outcome.document["kind"] == "Error"
    else:
        assert refused_by(outcome.document)[0] == check, outcome
        assert outcome.document["verdict"] == "FAILED"
    assert not os.path.exists(place.override)
    assert place.verify("--registry").code == 0


def test_no_manifest_is_built_from_wrong_bytes(place, pushed):
    output = place.path("other.json")
    with changed_byte(image_manifest(place, pushed), '"digest":"sha256:'):
        outcome = place.build("registry", output=output)
    assert outcome.code == 3, outcome
    assert "brain" in outcome.err
    assert "hash to" in outcome.err
    assert not os.path.exists(output)


def test_the_engine_pulls_no_layer_with_a_changed_byte(tmp_path, registry, engine):
    """--registry downloads no layer: what keeps a changed one out is the digest in the override."""
    del engine
    require(shutil.which("skopeo"), "skopeo")
    layout, repository = str(tmp_path / "probe"), f"{registry.host}/titan/probe"
    write_image(layout, "probe", VERSION)
    registry.push(f"{layout}:{VERSION}", repository)
    with open(os.path.join(layout, "index.json"), encoding="utf-8") as file:
        digest = json.load(file)["manifests"][0]["digest"]
    with open(registry.blob(digest), encoding="utf-8") as file:
        layer = registry.blob(json.load(file)["layers"][0]["digest"])
    with open(layer, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")
    pulled = run("docker", "pull", f"{repository}@{digest}")
    assert pulled.code != 0, pulled
    reasons = ("layer verification failed", "unexpected commit digest")  # classic store, containerd
    assert any(reason in pulled.err for reason in reasons), pulled


def test_sources_that_disagree_on_a_moved_tag_are_both_named(place, pulled, layouts):
    released = place.digests()
    repository, output = pulled.repository("hunter"), place.path("other.json")
    pulled.push(f"{layouts}/nats:{VERSION}", repository)
    try:
        for other in ("docker", f"oci-dir:{layouts}"):
            outcome = place.build("registry", other, output=output)
            assert outcome.code == 1, outcome
            assert "hunter: the sources disagree" in outcome.err
            assert released["hunter"] in outcome.err
            assert released["nats"] in outcome.err
            assert not os.path.exists(output)
        assert place.verify("--registry").code == 0, "what was released is still there"
    finally:
        pulled.push(f"{layouts}/hunter:{VERSION}", repository)
