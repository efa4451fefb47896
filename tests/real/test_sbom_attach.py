"""Signed bills of materials beside the image: in a real registry, and before a real cosign."""

import base64
import json
import os
import shutil

import pytest
from real.parts import LOGIN, VERSION, Registry, Workplace, changed_byte, require, run, run_well

from titan_provenance.attest.bundle import parse_bundle
from titan_provenance.image.manifest import OCI_INDEX
from titan_provenance.image.referrers import list_referrers, read_artifact
from titan_provenance.image.registry import RegistryClient
from titan_provenance.model.reference import DigestReference

pytestmark = pytest.mark.real

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
KINDS = {
    "cyclonedx-json": "https://cyclonedx.org/bom",
    "spdx-json": "https://spdx.dev/Document",
}


class Attached:
    """The bill of an image in the registry, signed by a trusted key of a workplace."""

    def __init__(self, place, image, form="cyclonedx-json", **environment):
        self.place = place
        self.image = image
        self.digest = image.partition("@")[2]
        self.kind = KINDS[form]
        self.bill = place.path("tree", f"{form}.json")
        words = ["sbom", "generate", f"registry:{image}", "--format", form, "--no-cache"]
        place.titan_well(*words, "-o", self.bill, **environment)
        self.key = place.new_key()
        words = ["trust", "init", "ci", f"{self.key}.pub", "--keys", place.keys]
        place.titan_well(*words, "--role", "sbom")

    def attach(self, *options, **environment):
        words = ["sbom", "attach", f"registry:{self.image}", self.bill, "--key", self.key]
        return self.place.titan_well(*words, *options, **environment).strip()

    def verify(self, bundle):
        words = ["sbom", "verify", self.digest, bundle, "--keys", self.place.keys]
        return self.place.titan(*words)


def by_digest(repository):
    """Return the reference by digest of the image in a repository."""
    words = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}"]
    digest = run_well("skopeo", *words, f"docker://{repository}:{VERSION}").strip()
    return f"{repository}@{digest}"


def raw(reference):
    """Return the manifest or index that skopeo reads."""
    words = ["inspect", "--raw", "--tls-verify=false", f"docker://{reference}"]
    return json.loads(run_well("skopeo", *words))


@pytest.fixture
def place(tmp_path):
    return Workplace(tmp_path)


@pytest.fixture
def fresh(registry, layouts, tmp_path):
    """Return an image in a repository of its own, which nobody referred to yet."""
    require(shutil.which("skopeo"), "skopeo")
    repository = f"{registry.host}/{tmp_path.name.replace('_', '-').lower()}/brain"
    registry.push(f"{os.path.join(layouts, 'brain')}:{VERSION}", repository)
    return by_digest(repository)


@pytest.mark.parametrize("form", sorted(KINDS))
def test_cosign_accepts_the_attestation_for_this_image_only(form, cosign, place, pushed):
    attached = Attached(place, by_digest(pushed.repository("brain")), form)
    bundle = place.path("private", "bundle.json")
    attached.attach("-o", bundle)
    public = f"{attached.key}.pub"

    assert cosign.accepts(bundle, public, attached.digest, attached.kind)[0]
    accepted, why = cosign.accepts(
        bundle, public, by_digest(pushed.repository("nats")), attached.kind
    )
    assert not accepted, why
    accepted, why = cosign.accepts(bundle, public, attached.digest, "https://slsa.dev/x")
    assert not accepted
    assert "invalid predicate type" in why
    outcome = attached.verify(bundle)
    with open(attached.bill, encoding="utf-8") as file:
        assert (outcome.code, outcome.out) == (0, file.read())
    with changed_byte(bundle, '"payload": "'):
        assert not cosign.accepts(bundle, public, attached.digest, attached.kind)[0]
        assert attached.verify(bundle).code == 1


def test_we_accept_the_attestation_that_cosign_signs(cosign, place, pushed):
    attached = Attached(place, by_digest(pushed.repository("brain")))
    ours, theirs = place.path("private", "ours.json"), place.path("private", "theirs.json")
    attached.attach("-o", ours)
    statement = place.path("private", "statement.json")
    with open(ours, "rb") as file, open(statement, "wb") as extracted:
        extracted.write(parse_bundle(file.read(), ours).envelope.payload)
    key, public = cosign.new_key()
    assert cosign.attest(statement, key, theirs).code == 0
    assert attached.verify(theirs).code == 1
    words = ["trust", "add", "cosign", public, "--keys", place.keys, "--role", "sbom"]
    place.titan_well(*words)
    with open(attached.bill, encoding="utf-8") as file:
        assert attached.verify(theirs)[:2] == (0, file.read())


@pytest.mark.parametrize("form", sorted(KINDS))
def test_cosign_finds_what_was_pushed_by_the_image_alone(form, cosign, place, fresh):
    attached = Attached(place, fresh, form)
    public = f"{attached.key}.pub"
    assert not cosign.accepts_referrer(fresh, public, attached.kind)
    attached.attach("--push")
    assert cosign.accepts_referrer(fresh, public, attached.kind)
    assert not cosign.accepts_referrer(fresh, f"{place.new_key('ed25519')}.pub", attached.kind)


def test_a_registry_with_a_login_takes_it_from_the_docker_config(place, tmp_path, layouts):
    command = require(shutil.which("docker-registry"), "docker-registry")
    require(shutil.which("skopeo"), "skopeo")
    directory = tmp_path / "registry"
    directory.mkdir()
    registry = Registry(command, str(directory), login=True)
    try:
        repository = registry.repository("brain")
        registry.push(f"{os.path.join(layouts, 'brain')}:{VERSION}", repository)
        refused = place.titan("sbom", "generate", f"registry:{repository}:{VERSION}")
        assert (refused.code, "asks for a login" in refused.err) == (3, True), refused
        auth = base64.b64encode(":".join(LOGIN).encode()).decode()
        config = place.path("config.json")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"auths": {registry.host: {"auth": auth}}}, file)
        attached = Attached(place, f"{repository}:{VERSION}", DOCKER_CONFIG=place.directory)
        assert attached.attach("--push", DOCKER_CONFIG=place.directory).startswith(repository)
    finally:
        registry.stop()


def test_skopeo_sees_and_copies_what_was_pushed(place, fresh):
    attached = Attached(place, fresh)
    pushed = attached.attach("--push", SOURCE_DATE_EPOCH="1700000000")

    manifest = raw(pushed)
    assert (manifest["artifactType"], manifest["layers"][0]["mediaType"]) == 2 * (BUNDLE_TYPE,)
    assert manifest["subject"]["digest"] == attached.digest
    assert manifest["annotations"] == {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": "https://cyclonedx.org/bom",
        "org.opencontainers.image.created": "2023-11-14T22:13:20Z",
    }
    index = raw(fresh.replace("@sha256:", ":sha256-"))
    assert index["mediaType"] == OCI_INDEX
    (entry,) = index["manifests"]
    assert entry["digest"] == pushed.partition("@")[2]
    assert entry["artifactType"] == BUNDLE_TYPE
    copied = place.path("private", "copied")
    words = ["copy", "--quiet", "--src-tls-verify=false", f"docker://{pushed}", f"dir:{copied}"]
    outcome = run("skopeo", *words)
    assert outcome.code == 0, outcome
    bundle = os.path.join(copied, manifest["layers"][0]["digest"].removeprefix("sha256:"))
    assert attached.verify(bundle).code == 0


def test_two_bills_stay_beside_each_other_and_are_read_back(place, fresh, tmp_path):
    cyclonedx = Attached(place, fresh)
    other = tmp_path / "other"
    spdx = Attached(Workplace(other), fresh, "spdx-json")
    pushed = {one.attach("--push").partition("@")[2]: one for one in (cyclonedx, spdx)}
    # The image itself is what it was.
    assert raw(fresh)["config"]

    image = DigestReference.parse(fresh)
    with RegistryClient(credentials=lambda _: None) as client:
        found = list_referrers(client, image, BUNDLE_TYPE)
        bundles = {str(item.digest): read_artifact(client, image, item, 1 << 26) for item in found}
    assert set(bundles) == set(pushed)
    for digest, bundle in bundles.items():
        path = tmp_path / "private" / "bundle.json"
        path.write_bytes(bundle)
        assert pushed[digest].verify(str(path)).code == 0
