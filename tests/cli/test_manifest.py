import json
import os
import subprocess

import jsonschema_rs
import pytest
from fakes.host import SERVICES, capture

from titan_provenance.cli.demo_images import write_image
from titan_provenance.cli.main import program
from titan_provenance.model.digest import Digest


def titan(*words):
    code, out = capture(program(), "titan-provenance", list(words))
    return code, out.decode()


def build(*words, version="1.4.0", source="oci-dir:oci"):
    return titan("manifest", "build", "--version", version, "--source", source, *words)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A fleet of seven images as OCI layouts, with a fleet file; the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    for service in SERVICES:
        write_image(f"oci/{service}", service, "1.4.0")
    lines = [f"  {s}: {{image: registry.example/titan/{s}}}\n" for s in SERVICES]
    head = "version: 1\nfleet: titan\nfiles: [compose.yml]\nservices:\n"
    (tmp_path / "titan-provenance.yaml").write_text(head + "".join(lines))
    (tmp_path / "compose.yml").write_text("services: {}\n")
    return tmp_path


@pytest.mark.usefixtures("tree")
def test_manifest_is_as_specified_and_the_same_each_time():
    code, manifest = build("--no-source")
    assert code == 0
    assert build("--no-source") == (0, manifest)
    _, schema = titan("schema", "release-manifest-v1")
    jsonschema_rs.validator_for(json.loads(schema)).validate(json.loads(manifest))
    statement = json.loads(manifest)
    assert manifest == json.dumps(statement, indent=2, sort_keys=True) + "\n"
    assert [s["name"] for s in statement["subject"]] == [
        f"registry.example/titan/{s}" for s in SERVICES
    ]
    release = statement["predicate"]["release"]
    assert release["createdAt"] == "2026-09-21T14:13:20Z"
    assert release["expiresAt"] == "2026-12-20T14:13:20Z"


def test_show_diff_override_and_old_form(tree):
    build("--no-source", "-o", "a.json")
    write_image("oci/nats", "nats", "1.5.0")
    (tree / "compose.yml").write_text("services: {x: {}}\n")
    build("--no-source", "--previous", "a.json", "-o", "b.json", version="1.5.0")
    code, shown = titan("manifest", "show", "b.json")
    assert (code, shown.splitlines()[0]) == (0, "release   titan 1.5.0 (sequence 2)")
    assert json.loads(titan("manifest", "show", "b.json", "--format", "json")[1])["release"]
    code, difference = titan("manifest", "diff", "a.json", "b.json", "--format", "json")
    _, schema = titan("schema", "manifest-diff")
    jsonschema_rs.validator_for(json.loads(schema)).validate(json.loads(difference))
    assert [(c["kind"], c["name"]) for c in json.loads(difference)["changes"]] == [
        ("service", "nats"),
        ("file", "compose.yml"),
    ]
    code, text = titan("manifest", "diff", "a.json", "a.json")
    assert text.endswith("no service and no file differs\n")
    code, override = titan("manifest", "override", "a.json")
    assert override.count("@sha256:") == 7
    old = json.loads(titan("manifest", "export-legacy", "a.json")[1])
    assert sorted(old) == sorted(SERVICES)
    assert old["brain"].startswith("registry.example/titan/brain@sha256:")


def test_bills_of_materials_are_made_and_bound(tree, monkeypatch):
    monkeypatch.setenv("TITAN_PROVENANCE_CACHE", str(tree / "cache"))
    assert build("--no-source", "--sbom")[0] == 2
    os.mkdir("release")
    assert build("--no-source", "--sbom", "-o", "release/manifest.json")[0] == 0
    first = (tree / "release" / "manifest.json").read_bytes()
    services = json.loads(first)["predicate"]["services"]
    for service in SERVICES:
        document = (tree / "release" / "sbom" / f"{service}.cdx.json").read_bytes()
        bound = services[service]["sbom"]
        assert bound["digest"] == str(Digest.of(document))
        assert bound["mediaType"] == "application/vnd.cyclonedx+json"
        assert json.loads(document)["metadata"]["timestamp"] == "2026-09-21T14:13:20Z"
    _, schema = titan("schema", "release-manifest-v1")
    jsonschema_rs.validator_for(json.loads(schema)).validate(json.loads(first))
    assert build("--no-source", "--sbom", "-o", "release/manifest.json")[0] == 0
    assert (tree / "release" / "manifest.json").read_bytes() == first
    assert titan("manifest", "show", "release/manifest.json")[0] == 0


def test_one_bill_for_the_fleet(tree, monkeypatch):
    monkeypatch.setenv("TITAN_PROVENANCE_CACHE", str(tree / "cache"))
    words = ["sbom", "fleet", "--version", "1.4.0", "--source", "oci-dir:oci"]
    code, text = titan(*words)
    assert code == 0
    document = json.loads(text)
    assert document["metadata"]["component"]["name"] == "titan"
    assert [item["name"] for item in document["components"]] == list(SERVICES)
    os.rename("oci/nats", "oci/gone")
    assert titan(*words) == (3, "")


def test_old_form_can_be_built_from_again(tree):
    build("--no-source", "-o", "a.json")
    os.mkdir("digests")
    titan("manifest", "export-legacy", "a.json", "-o", "digests/digests.json")
    words = ["manifest", "build", "--version", "1.4.0", "--no-source", "--from-digests", "digests"]
    code, out = titan(*words)
    assert code == 0
    assert json.loads(out)["subject"] == json.loads((tree / "a.json").read_text())["subject"]
    assert titan(*words, "--source", "oci-dir:oci")[0] == 0
    digests = json.loads((tree / "digests" / "digests.json").read_text())
    digests["brain"] = digests["brain"][:-2] + "00"
    (tree / "digests" / "digests.json").write_text(json.dumps(digests))
    code, out = titan(*words, "--source", "oci-dir:oci", "--format", "text")
    assert code == 1


def test_source_comes_from_git(tree):
    for words in (
        ["init", "-q"],
        ["remote", "add", "origin", "https://git.example/titan.git"],
        ["add", "compose.yml"],
        ["-c", "user.name=t", "-c", "user.email=t@example.test", "commit", "-qm", "a"],
    ):
        subprocess.run(["git", *words], check=True)
    code, manifest = build()
    assert code == 0
    assert json.loads(manifest)["predicate"]["source"]["uri"] == "https://git.example/titan.git"
    (tree / "compose.yml").write_text("dirty\n")
    assert build()[0] == 2
    assert json.loads(build("--allow-dirty")[1])["predicate"]["source"]["dirty"] is True


def test_builder_comes_from_the_workflow(tree, monkeypatch):
    environment = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "titan/titan",
        "GITHUB_WORKFLOW_REF": "titan/titan/.github/workflows/release.yml@refs/tags/v1",
        "GITHUB_RUN_ID": "7",
        "GITHUB_OUTPUT": str(tree / "output"),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert json.loads(build("--no-source")[1])["predicate"]["builder"] == {
        "id": "https://github.com/titan/titan/.github/workflows/release.yml@refs/tags/v1",
        "invocation": "https://github.com/titan/titan/actions/runs/7/attempts/1",
    }
    assert (tree / "output").read_text().startswith("manifest-digest=sha256:")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--source", "ftp"], 2),
        (["--source", "oci-dir"], 2),
        (["--source", "oci-dir:nowhere"], 3),
        (["--from-digests", "nowhere"], 3),
        (["--version", "../1"], 2),
        (["--tag", "-x"], 2),
        (["--previous", "compose.yml"], 2),
        (["--previous", "nowhere"], 3),
        (["--sequence", "0"], 2),
        (["--valid-days", "0"], 2),
        (["--fleet", "nowhere.yaml"], 3),
        (["--sbom"], 2),
        (["--scan"], 2),
    ],
)
def test_what_cannot_be_built(tree, words, code):
    assert tree
    assert build("--no-source", *words)[0] == code


def test_time_that_is_none(tree, monkeypatch):
    assert tree
    for value in ("tomorrow", "9" * 30, "-1"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
        assert build("--no-source")[0] == 2


def test_options_from_the_environment_and_a_config_file(tree, monkeypatch):
    (tree / "options.yaml").write_text(
        "manifest:\n  build:\n    no-source: true\n    valid-days: 7\n    source: [oci-dir:oci]\n"
    )
    words = ["manifest", "build", "--config", "options.yaml"]
    monkeypatch.setenv("TITAN_PROVENANCE_MANIFEST_BUILD_VERSION", "1.4.0")
    code, manifest = titan(*words)
    assert code == 0
    assert json.loads(manifest)["predicate"]["release"]["expiresAt"] == "2026-09-28T14:13:20Z"
    (tree / "options.yaml").write_text("manifest:\n  build:\n    valid-dais: 7\n")
    assert titan(*words)[0] == 2
