import base64
import json
import os

import pytest
from cryptography.hazmat.primitives import serialization
from fakes.bills import small_bill
from fakes.host import Host, capture, policy_of
from fakes.images import (
    build_image,
    build_index,
    docker_archive_files,
    write_layout,
    write_tar,
)
from fakes.registry import FakeRegistry

from titan_provenance.attest.trust import Role
from titan_provenance.cli.main import program
from titan_provenance.image.referrers import list_referrers, read_artifact
from titan_provenance.image.registry import RegistryClient
from titan_provenance.model.digest import Digest
from titan_provenance.model.reference import DigestReference, parse_reference
from titan_provenance.sbom.cyclonedx import write_cyclonedx
from titan_provenance.sbom.spdx import write_spdx
from titan_provenance.sbom.xml import write_xml

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
IMAGE = build_image()
INDEX = build_index()
BY_DIGEST = f"registry.example/titan/brain@{IMAGE.digest}"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Return a host whose signers `ci` and `auditor` may sign bills, with a bill of the image."""
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "TITAN_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.chdir(tmp_path)
    host = Host(tmp_path)
    policy = policy_of(host.signers)
    host.trust(policy._replace(roles={"sbom": Role("sbom", 1, tuple(host.signers))}))
    for name, signer in host.signers.items():
        pkcs8 = serialization.PrivateFormat.PKCS8
        plain = serialization.NoEncryption()
        pem = signer._key.private_bytes(serialization.Encoding.PEM, pkcs8, plain)
        monkeypatch.setenv(name.upper(), pem.decode())
    os.mkdir(host.path("bills"))
    write_bill(host)
    return host


@pytest.fixture
def registry():
    with FakeRegistry() as registry:
        yield registry


def write_bill(host, digest=IMAGE.digest, write=write_cyclonedx):
    return host.write(write(small_bill()._replace(digest=digest)), "bills", "brain.json")


def titan(*words):
    return capture(program(), "titan-provenance", list(words))


def attach(image, *options, key="env:CI"):
    code, out = titan("sbom", "attach", image, "bills/brain.json", "--key", key, *options)
    return code, out.decode()


def verify(image, *bundles):
    named = bundles or ["bills/brain.json.sigstore.json"]
    return titan("sbom", "verify", image, *named, "--keys", "keys")


def subject_of(host, name="brain.json.sigstore.json"):
    payload = json.loads(host.read("bills", name))["dsseEnvelope"]["payload"]
    (subject,) = json.loads(base64.b64decode(payload))["subject"]
    return subject


@pytest.mark.parametrize("write", [write_cyclonedx, write_spdx])
def test_a_bill_is_signed_beside_it_and_verified_without_asking_anyone(host, write):
    write_bill(host, write=write)
    assert attach(BY_DIGEST)[0] == 0
    assert subject_of(host) == {
        "name": "registry.example/titan/brain",
        "digest": {"sha256": IMAGE.digest.hex},
    }
    for image in (str(IMAGE.digest), BY_DIGEST):
        assert verify(image) == (0, host.read("bills", "brain.json"))


def test_each_signer_has_a_bundle_and_none_takes_the_place_of_another(host):
    assert host
    assert attach(BY_DIGEST)[0] == 0
    assert attach(BY_DIGEST)[0] == 0
    assert attach(BY_DIGEST, key="env:AUDITOR")[0] == 2
    assert attach(BY_DIGEST, "--signer", "auditor", key="env:AUDITOR")[0] == 0
    names = [f"bills/brain.json{name}.sigstore.json" for name in ("", ".auditor")]
    assert verify(BY_DIGEST, *names)[0] == 0
    assert attach(BY_DIGEST, "-o", "bills/chosen.json")[0] == 0
    assert verify(BY_DIGEST, "bills/chosen.json")[0] == 0


def test_a_bill_of_another_image_is_not_signed(host, registry, capsys):
    write_bill(host, Digest.of(b"another"))
    image = registry.push("titan/brain", "1.4.0", IMAGE)
    assert attach(f"registry:{image}")[0] == 1
    assert f"the bill is of {Digest.of(b'another')}" in capsys.readouterr().err
    assert os.listdir("bills") == ["brain.json"]


def test_a_bill_that_names_no_image_is_signed_and_that_is_said(host, capsys):
    document = json.loads(write_cyclonedx(small_bill()))
    del document["metadata"]["component"]["hashes"]
    host.write(document, "bills", "brain.json")
    assert attach(BY_DIGEST)[0] == 0
    assert "names no image" in capsys.readouterr().err


def test_a_bill_of_one_platform_is_about_that_manifest(host, registry):
    image = f"registry:{registry.push('titan/brain', '1.4.0', INDEX)}"
    child = INDEX.platforms[1]
    for digest in (child.manifest, child.config):
        write_bill(host, digest)
        assert attach(image)[0] == 0
        assert subject_of(host)["digest"]["sha256"] == child.manifest.hex
    write_bill(host, INDEX.digest)
    assert attach(image, "-o", "bills/index.json")[0] == 0
    assert subject_of(host, "index.json")["digest"]["sha256"] == INDEX.digest.hex
    for bundle in ("bills/brain.json.sigstore.json", "bills/index.json"):
        assert verify(image, bundle)[0] == 0
    assert verify(str(INDEX.digest), "bills/index.json")[0] == 0
    assert verify(str(INDEX.digest))[0] == 1


@pytest.mark.parametrize(
    ("image", "options"),
    [
        ("oci-dir:x:1.4.0", []),
        (BY_DIGEST, ["--push", "-o", "x"]),
        (BY_DIGEST, ["--push", "--signer", "ci"]),
        (BY_DIGEST, ["--signer", "ci", "-o", "x"]),
        (BY_DIGEST, ["--signer", "../ci"]),
        (BY_DIGEST, ["-o", "bills/brain.json"]),
    ],
)
def test_what_cannot_be_is_refused(host, image, options):
    before = host.read("bills", "brain.json")
    assert attach(image, *options)[0] == 2
    assert host.read("bills", "brain.json") == before
    assert os.listdir("bills") == ["brain.json"]


def test_xml_is_refused_with_the_way_out(host, capsys):
    host.write(write_xml(small_bill(), "1.6"), "bills", "brain.json")
    assert attach(BY_DIGEST)[0] == 2
    assert "sbom convert bills/brain.json" in capsys.readouterr().err


def test_a_changed_bundle_and_untrusted_signers_are_refused(host):
    assert attach(BY_DIGEST)[0] == 0
    good = host.read("bills", "brain.json.sigstore.json")
    host.write(good.replace(b'"sig": "ME', b'"sig": "MF'), "bills", "brain.json.sigstore.json")
    assert verify(BY_DIGEST) == (1, b"")
    host.write(good, "bills", "brain.json.sigstore.json")
    host.trust(policy_of(host.signers))
    assert verify(BY_DIGEST)[0] == 2


def test_trust_does_not_come_with_the_bundle(host):
    assert host
    assert attach(BY_DIGEST, "-o", "beside.json")[0] == 0
    assert verify(BY_DIGEST, "beside.json")[0] == 2


@pytest.mark.parametrize("output", ["bills/brain.json.sigstore.json", "keys/trust.yaml", "keys/x"])
def test_a_verified_bill_takes_the_place_of_nothing_it_was_verified_with(host, output):
    assert attach(BY_DIGEST)[0] == 0
    bundle = "bills/brain.json.sigstore.json"
    before = host.read("bills", "brain.json.sigstore.json"), host.read("keys", "trust.yaml")
    words = ["sbom", "verify", BY_DIGEST, bundle, "--keys", "keys", "-o", output]
    assert titan(*words)[0] == 2
    after = host.read("bills", "brain.json.sigstore.json"), host.read("keys", "trust.yaml")
    assert after == before
    assert titan(*words[:-1], "bills/verified.json")[0] == 0
    assert host.read("bills", "verified.json") == host.read("bills", "brain.json")


def test_an_image_without_a_digest_of_a_registry_has_none_to_verify(host):
    assert attach(BY_DIGEST)[0] == 0
    image = build_image(docker=True)
    write_tar("bills/brain.tar", docker_archive_files({"titan/brain:1.4.0": image}))
    assert verify("docker-archive:bills/brain.tar")[0] == 2
    write_layout("layout", {"1.4.0": IMAGE})
    assert verify("oci-dir:layout") == (0, host.read("bills", "brain.json"))


@pytest.mark.parametrize("api", [False, True])
def test_a_pushed_bundle_is_a_referrer_that_verifies(host, registry, monkeypatch, api):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    registry.referrers = api
    image = parse_reference(registry.push("titan/brain", "1.4.0", IMAGE))
    code, out = attach(str(image), "--push")
    assert code == 0
    pushed = DigestReference.parse(out.strip())
    again = attach(f"registry:{image.repository}@{IMAGE.digest}", "--push")
    assert again[0] == 0
    assert os.listdir("bills") == ["brain.json"]

    subject = DigestReference(image.repository, IMAGE.digest)
    with RegistryClient() as client:
        found = list_referrers(client, subject, BUNDLE_TYPE)
        bundles = [read_artifact(client, subject, item, 1 << 20) for item in found]
    assert pushed.digest in [item.digest for item in found]
    assert found[0].annotations == {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": "https://cyclonedx.org/bom",
        "org.opencontainers.image.created": "2023-11-14T22:13:20Z",
    }
    for bundle in bundles:
        host.write(bundle, "bills", "pulled.json")
        assert verify(f"registry:{image}", "bills/pulled.json") == (
            0,
            host.read("bills", "brain.json"),
        )


def test_without_an_epoch_no_time_is_stated(host, registry):
    assert host
    image = registry.push("titan/brain", "1.4.0", IMAGE)
    code, out = attach(image, "--push")
    assert code == 0
    manifest = registry.manifest("titan/brain", out.strip().partition("@")[2])
    assert sorted(manifest["annotations"]) == [
        "dev.sigstore.bundle.content",
        "dev.sigstore.bundle.predicateType",
    ]


def test_an_epoch_out_of_range_is_a_usage_error(host, registry, monkeypatch):
    assert host
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "9" * 30)
    assert attach(registry.push("titan/brain", "1.4.0", IMAGE), "--push")[0] == 2


def test_an_image_that_is_not_in_the_registry_is_not_pushed_to(host, registry):
    assert host
    assert attach(f"{registry.host}/titan/brain@{IMAGE.digest}", "--push")[0] == 3
