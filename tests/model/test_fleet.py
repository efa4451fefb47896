import json
from pathlib import Path

import jsonschema_rs
import pytest

import titan_provenance
from titan_provenance.document import parse_yaml
from titan_provenance.errors import DocumentError, UnreadableError
from titan_provenance.fleet_file import find_fleet, load_fleet
from titan_provenance.model.fleet import Fleet, FleetService, parse_fleet
from titan_provenance.model.reference import DigestReference, Repository, TagReference

FLEET = b"""\
version: 1
fleet: titan
services:
  nats: {image: "registry.example/titan/nats:2.10"}
  brain: {image: registry.example/titan/brain, compose: titan-brain}
trust: keys/trust.yaml
compose: [docker-compose.prod.yml]
files: [docker-compose.prod.yml, "config/*.template", "migrations/*.sql"]
policy: {fail-on: high}
nightly: {}
"""
HEAD = b"version: 1\nfleet: titan\n"
BRAIN = HEAD + b"services: {brain: {image: r.example/brain}}\n"


def test_every_key_is_read_and_services_are_sorted():
    fleet = parse_fleet(FLEET, "deploy/titan-provenance.yaml")
    assert fleet == Fleet(
        name="titan",
        services=(
            FleetService("brain", Repository("registry.example", "titan/brain"), "titan-brain"),
            FleetService(
                "nats", TagReference(Repository("registry.example", "titan/nats"), "2.10"), "nats"
            ),
        ),
        path="deploy/titan-provenance.yaml",
        trust="keys/trust.yaml",
        compose=("docker-compose.prod.yml",),
        files=("docker-compose.prod.yml", "config/*.template", "migrations/*.sql"),
        unused_sections=("policy", "nightly"),
    )
    assert fleet.directory == "deploy"


def test_only_version_name_and_services_are_needed():
    fleet = parse_fleet(BRAIN, "titan-provenance.yaml")
    assert (fleet.trust, fleet.compose, fleet.files, fleet.unused_sections) == (None, (), (), ())
    assert fleet.directory == "."


def test_an_image_may_be_pinned_by_digest():
    image = "r.example/brain@sha256:" + "a" * 64
    fleet = parse_fleet(HEAD + f"services: {{brain: {{image: {image}}}}}".encode(), "f")
    assert isinstance(fleet.services[0].image, DigestReference)


@pytest.mark.parametrize(
    ("data", "place", "message", "hint"),
    [
        (b"", "f.yaml", "is empty", ""),
        (b"- a\n", "f.yaml:1:1", "expected a mapping, found a list", ""),
        (HEAD, "f.yaml:1:1", 'the key "services" is missing', ""),
        (b"version: 2\n" + BRAIN[11:], "f.yaml:1:10", "version: fleet files of version 2", "1"),
        (b'version: "1"\n' + BRAIN[11:], "f.yaml:1:10", "expected a whole number", ""),
        (BRAIN + b"servces: {}\n", "f.yaml:4:1", 'unknown key "servces"', '"services"'),
        (BRAIN + b"fleet: titan\n", "f.yaml:4:1", 'duplicate key "fleet"', ""),
        (HEAD + b"services: {}\n", "f.yaml:3:11", "names no service", "{image: …}"),
        (HEAD + b"services:\n", "f.yaml:3:10", "expected a mapping, found nothing", ""),
        (HEAD + b"services: {brain: r/b}\n", "f.yaml:3:19", "expected a mapping", ""),
        (HEAD + b"services: {brain: {}}\n", "f.yaml:3:19", 'the key "image" is missing', ""),
        (HEAD + b"services: {a: {imgae: b}}\n", "f.yaml:3:16", 'unknown key "imgae"', '"image"'),
        (HEAD + b"services: {../a: {image: b}}\n", "f.yaml:3:12", "'../a' is no name", "A name"),
        (HEAD + b"services: {a: {image: B}}\n", "f.yaml:3:23", "is no image repository", "lower"),
        (HEAD + b"services: {a: {image: 'b:${V}'}}\n", "f.yaml:3:23", "is no tag", ""),
        (
            HEAD + b"services: {a: {image: x, compose: t}, b: {image: y, compose: t}}\n",
            "f.yaml:3:39",
            'the compose service "t" is also that of "a"',
            "Each service",
        ),
        (
            HEAD + b"services: {a: {image: x}, b: {image: y, compose: a}}\n",
            "f.yaml:3:27",
            'the compose service "a" is also that of "a"',
            "Each service",
        ),
        (b"version: 1\nfleet: a b\nservices: {}\n", "f.yaml:2:8", "'a b' is no name", "A name"),
        (BRAIN + b"files: [../x]\n", "f.yaml:4:9", "no path below the directory", "relative"),
        (BRAIN + b"compose: [/x]\n", "f.yaml:4:11", "no path below the directory", "relative"),
        (BRAIN + b"files: [a, b, a]\n", "f.yaml:4:15", '"a" is named twice', ""),
        (BRAIN + b"files: a\n", "f.yaml:4:8", "expected a list, found text", ""),
        (BRAIN + b"trust: []\n", "f.yaml:4:8", "expected text, found a list", ""),
        (BRAIN + b'trust: "a\\nb"\n', "f.yaml:4:8", "not one line", ""),
        (BRAIN + b"policy: high\n", "f.yaml:4:9", "policy: expected a mapping", ""),
        (BRAIN + b"preflight: []\n", "f.yaml:4:12", "preflight: expected a mapping", ""),
    ],
)
def test_what_the_format_does_not_have_is_refused_with_its_place(data, place, message, hint):
    with pytest.raises(DocumentError) as caught:
        parse_fleet(data, "f.yaml")
    assert caught.value.message.startswith(place + ":")
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_more_services_than_a_release_holds_are_refused():
    def data(count):
        lines = "".join(f"  s{i}: {{image: r.example/s{i}}}\n" for i in range(count))
        return HEAD + b"services:\n" + lines.encode()

    assert len(parse_fleet(data(1024), "f").services) == 1024
    with pytest.raises(DocumentError, match="1025 services, more than 1024"):
        parse_fleet(data(1025), "f")


def test_more_files_than_a_release_binds_are_refused():
    data = BRAIN + b"files: [" + b", ".join(b"f%d" % i for i in range(10_001)) + b"]\n"
    with pytest.raises(DocumentError, match="10001 entries, more than 10000"):
        parse_fleet(data, "f")


def test_the_nearest_fleet_file_upward_is_found(tmp_path):
    (tmp_path / "a/b/c").mkdir(parents=True)
    for directory in ("", "a"):
        (tmp_path / directory / "titan-provenance.yaml").write_bytes(BRAIN)
    assert find_fleet(str(tmp_path / "a/b/c")) == str(tmp_path / "a/titan-provenance.yaml")
    assert find_fleet(str(tmp_path)) == str(tmp_path / "titan-provenance.yaml")
    assert load_fleet(str(tmp_path / "a/titan-provenance.yaml")).name == "titan"


def test_no_fleet_file_is_no_fleet_file(tmp_path, monkeypatch):
    monkeypatch.setattr("titan_provenance.fleet_file.FILE_NAME", "no-such-file.yaml")
    assert find_fleet(str(tmp_path)) is None


def test_a_fleet_file_that_cannot_be_read_is_not_passed_over(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "titan-provenance.yaml").write_bytes(BRAIN)
    (tmp_path / "a/titan-provenance.yaml").symlink_to("nowhere")
    path = find_fleet(str(tmp_path / "a"))
    with pytest.raises(UnreadableError, match="does not exist"):
        load_fleet(path)


SCHEMA = Path(titan_provenance.__file__).parent / "schema/fleet.schema.json"


@pytest.fixture(scope="module")
def schema():
    return jsonschema_rs.validator_for(json.loads(SCHEMA.read_bytes()))


ACCEPTED = [
    FLEET,
    BRAIN,
    HEAD + b"services: {a: {image: postgres:16}}\ntrust: /etc/titan-provenance/keys/trust.yaml",
    HEAD + b"services: {a: {image: 'localhost:5000/a@sha256:" + b"0" * 64 + b"'}}\nfiles: []",
    BRAIN + b"files: [a.b/..c/d.., .hidden, '*', 'a b/\xc3\xa9?']",
]
REFUSED = [
    HEAD,
    b"version: 2\n" + BRAIN[11:],
    HEAD + b"services: {}",
    HEAD + b"services: {a: {}}",
    HEAD + b"services: {../a: {image: b}}",
    HEAD + b"services: {a: {image: 'b ${V}'}}",
    HEAD + b"services: {a: {image: b, tag: c}}",
    HEAD + b"services: {a: {image: b, compose: 'c d'}}",
    BRAIN + b"files: [../x]",
    BRAIN + b"files: [x/.]",
    BRAIN + b"files: [./x]",
    BRAIN + b"files: [a//b]",
    BRAIN + b"files: [/a]",
    BRAIN + b"files: ['a\\b']",
    BRAIN + b"files: [a, a]",
    BRAIN + b"compose: ['']",
    BRAIN + b"trust: []",
    BRAIN + b"policy: high",
    BRAIN + b"polcy: {}",
]


@pytest.mark.parametrize("data", ACCEPTED)
def test_the_schema_accepts_what_the_parser_reads(schema, data):
    parse_fleet(data, "f")
    schema.validate(parse_yaml(data, "f").plain())


@pytest.mark.parametrize("data", REFUSED)
def test_the_schema_refuses_what_the_parser_does_not_read(schema, data):
    with pytest.raises(DocumentError):
        parse_fleet(data, "f")
    assert not schema.is_valid(parse_yaml(data, "f").plain())


def test_the_schema_describes_each_key_and_is_a_schema():
    document = json.loads(SCHEMA.read_bytes())
    jsonschema_rs.meta.validate(document)
    assert all(entry.get("description") for entry in document["properties"].values())
