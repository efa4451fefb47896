import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titan_provenance.errors import DocumentError, UnreadableError, UsageError
from titan_provenance.model.fleet import parse_fleet
from titan_provenance.model.reference import parse_reference
from titan_provenance.release.init import (
    Proposal,
    ProposedService,
    fleet_text,
    propose_fleet,
)

PRODUCTION = """\
x-service: &service
  restart: unless-stopped
services:
  titan-brain: {<<: *service, image: "ghcr.io/${ORG}/titan-brain:${TAG:?set it}"}
  titan-execution: {<<: *service, image: "${REGISTRY:-ghcr.io/titan}/titan-execution@${DIGEST}"}
  titan-hunter: {<<: *service, image: "${HUNTER_IMAGE}"}
  titan-scavenger: {build: {context: ., dockerfile: services/scavenger/Dockerfile}}
  titan-sentinel: {extends: {file: services/common.yml, service: sentinel}}
  titan-strategies: {build: ., image: "ghcr.io/titan/titan-strategies:local"}
  nats: {image: "nats:${NATS_VERSION:-2.10}"}
  postgres: {image: "postgres:16", profiles: [database]}
  redis:
    image: !override redis:7-alpine
"""
OVERLAYS = {
    "docker-compose.yml": "services: {titan-brain: {build: .}, adminer: {image: adminer}}",
    "docker-compose.secrets.yml": "services: {titan-brain: {secrets: [a]}}",
    "docker-compose.gpu.yml": "services: {titan-hunter: {runtime: nvidia}}",
    "docker-compose.micro.yml": "services: {titan-brain: {image: wrong}}",
    "docker-compose.dev.yml": "services: {titan-brain: {image: wrong}}",
    "docker-compose.test.yml": "this is: [no yaml",
}


def write(directory, files):
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(directory)


@pytest.fixture
def titan(tmp_path):
    common = "services: {sentinel: {image: ghcr.io/titan/titan-sentinel, build: .}}"
    return write(
        tmp_path / "deployment",
        {
            "docker-compose.prod.yml": PRODUCTION,
            **OVERLAYS,
            "services/common.yml": common,
            "config/nats.conf.template": "",
            "config/nats.conf": "",
            "migrations/001.sql": "",
            "postures/calm.yaml": "",
            ".env": "HUNTER_IMAGE=secret",
        },
    )


def images(proposal):
    return {service.name: str(service.image) for service in proposal.services}


def test_a_tree_with_overlays_gives_the_production_fleet(titan):
    proposal = propose_fleet(titan)
    assert proposal.fleet == "titan"
    assert images(proposal) == {
        "brain": "ghcr.io/titan/titan-brain",
        "execution": "ghcr.io/titan/titan-execution",
        "hunter": "registry.example/titan/hunter",
        "nats": "docker.io/library/nats",
        "postgres": "docker.io/library/postgres:16",
        "redis": "docker.io/library/redis:7-alpine",
        "scavenger": "registry.example/titan/scavenger",
        "sentinel": "ghcr.io/titan/titan-sentinel",
        "strategies": "ghcr.io/titan/titan-strategies",
    }
    assert [s.name for s in proposal.services if s.fill_in] == ["brain", "hunter", "scavenger"]
    assert {s.compose for s in proposal.services} >= {"titan-brain", "postgres"}
    assert proposal.compose == ("docker-compose.prod.yml",)
    assert proposal.files == (
        "docker-compose.prod.yml",
        "services/common.yml",
        "config/*.template",
        "migrations/*.sql",
        "postures/*.y*ml",
    )
    assert proposal.unused == tuple(sorted(OVERLAYS))


def test_the_fleet_file_reads_back_and_says_what_to_fill_in(titan):
    proposal = propose_fleet(titan)
    text = fleet_text(proposal)
    fleet = parse_fleet(text.encode(), "titan-provenance.yaml")
    assert {s.name: (str(s.image), s.compose) for s in fleet.services} == {
        s.name: (str(s.image), s.compose) for s in proposal.services
    }
    assert (fleet.name, fleet.trust, fleet.compose, fleet.files) == (
        "titan",
        "keys/trust.yaml",
        proposal.compose,
        proposal.files,
    )
    assert (
        '  # FILL IN the repository: docker-compose.prod.yml:6 says "${HUNTER_IMAGE}".\n'
        '  hunter: {image: "registry.example/titan/hunter", compose: titan-hunter}\n'
    ) in text
    assert "docker-compose.prod.yml:7 builds it and names no image." in text
    assert 'says "nats:${NATS_VERSION:-2.10}": add ":2.10" unless' in text
    assert "# Runs only with profile database.\n" in text
    assert "secret" not in text
    assert fleet_text(propose_fleet(titan)) == text


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"compose.yaml": "a"}, ["compose.yaml"]),
        ({"docker-compose.yml": "a", "compose.yml": "b"}, ["compose.yml"]),
        (
            {"compose.yaml": "a", "compose.override.yaml": "b", "compose.dev.yaml": "c"},
            ["compose.yaml", "compose.override.yaml"],
        ),
        ({"compose.yaml": "a", "compose.prod.yaml": "b"}, ["compose.prod.yaml"]),
        (
            {"compose.yaml": "a", "docker-compose-production.yml": "b"},
            ["docker-compose-production.yml"],
        ),
        ({"compose.staging.yaml": "a", "other.yaml": "b"}, ["compose.staging.yaml"]),
    ],
)
def test_which_compose_files_are_the_deployment(tmp_path, files, expected):
    contents = {name: f"services: {{{image}: {{image: {image}}}}}" for name, image in files.items()}
    assert list(propose_fleet(write(tmp_path, contents)).compose) == expected


def test_a_production_overlay_is_read_over_the_base(tmp_path):
    files = {
        "compose.yaml": "services: {a: {image: r.example/a}, b: {image: r.example/b}}",
        "compose.prod.yaml": "services: {a: {restart: always}, b: {image: r.example/prod-b}}",
    }
    proposal = propose_fleet(write(tmp_path, files))
    assert proposal.compose == ("compose.yaml", "compose.prod.yaml")
    assert images(proposal) == {"a": "r.example/a", "b": "r.example/prod-b"}


def test_a_choice_stands_over_what_is_found(tmp_path):
    files = {
        "compose.prod.yaml": "services: {a: {image: wrong}}",
        "deploy/one.yml": "services: {a: {image: r.example/a}}",
    }
    proposal = propose_fleet(write(tmp_path, files), ["./deploy/one.yml"])
    assert proposal.compose == ("deploy/one.yml",)
    assert proposal.unused == ("compose.prod.yaml",)


@pytest.mark.parametrize(
    ("image", "built", "proposed", "fill_in"),
    [
        ("postgres:16", False, "docker.io/library/postgres:16", False),
        ("r.example/a:1@sha256:" + "a" * 64, False, "r.example/a@sha256:" + "a" * 64, False),
        ("r.example:5000/a", False, "r.example:5000/a", False),
        ("r.example:5000/a:${T}", False, "r.example:5000/a", False),
        ("${R:-r.example/t}/a:2.10", False, "r.example/t/a:2.10", False),
        ("${I:-r.example/a:1}", False, "r.example/a", False),
        ("r.example/a:v${V}-alpine", False, "r.example/a", False),
        ("r.example/a:1@${D}", False, "r.example/a", False),
        ("r.example/a:1", True, "r.example/a", False),
        ("brain", True, "registry.example/f/s", True),
        ("titan/brain", True, "docker.io/titan/brain", False),
        ("${R}/a:1", False, "registry.example/a", True),
        ("${R}a:1", False, "registry.example/f/s", True),
        ("r.example/${ORG}/a", False, "r.example/f/a", True),
        ("r.example/t/${NAME}", False, "r.example/t/s", True),
        ("r.example/a${SUFFIX}", False, "registry.example/f/s", True),
        ("${R}/UPPER", False, "registry.example/f/s", True),
        ("${I}", False, "registry.example/f/s", True),
        ("Upper/Case", False, "registry.example/f/s", True),
        ("a$$b", False, "registry.example/f/s", True),
    ],
)
def test_how_an_image_is_proposed(tmp_path, image, built, proposed, fill_in):
    build = ", build: ." if built else ""
    files = {"compose.yaml": f"name: f\nservices: {{s: {{image: '{image}'{build}}}}}"}
    (service,) = propose_fleet(write(tmp_path, files)).services
    assert (str(service.image), service.fill_in) == (proposed, fill_in)


@pytest.mark.parametrize(
    ("names", "fleet", "short"),
    [
        (["titan-a", "titan-b", "redis"], "titan", ["a", "b", "redis"]),
        (["titan_a", "titan_b"], "titan", ["a", "b"]),
        (["titan-a", "titan-b", "a"], "titan", ["a", "b", "titan-a"]),
        (["x-a", "x-b", "y-a", "y-b"], "my-tree", ["x-a", "x-b", "y-a", "y-b"]),
        (["node-red", "redis"], "my-tree", ["node-red", "redis"]),
        (["titan--a", "titan-b", "titan"], "titan", ["b", "titan", "titan--a"]),
    ],
)
def test_the_common_prefix_names_the_fleet_and_leaves_the_services(tmp_path, names, fleet, short):
    services = ", ".join(f"{name}: {{image: r.example/x}}" for name in names)
    files = {"my tree/compose.yaml": f"services: {{{services}}}"}
    write(tmp_path, files)
    proposal = propose_fleet(str(tmp_path / "my tree"))
    assert proposal.fleet == fleet
    assert [service.name for service in proposal.services] == short


@pytest.mark.parametrize(
    ("line", "fleet"),
    [("name: prod", "prod"), ('name: "${N:-x1}"', "x1"), ('name: "${N}"', "tree"), ("", "tree")],
)
def test_the_project_name_names_the_fleet(tmp_path, line, fleet):
    text = f"{line}\nservices: {{a: {{image: a}}}}"
    write(tmp_path, {"tree/compose.yaml": text})
    assert propose_fleet(str(tmp_path / "tree")).fleet == fleet


@pytest.mark.parametrize(
    ("files", "kind", "message"),
    [
        ({}, UsageError, "no compose file here"),
        (
            {"compose.a.yml": "", "compose.b.yml": ""},
            UsageError,
            "which of compose.a.yml, compose.b",
        ),
        ({f"compose.{i}.yml": "" for i in range(65)}, UsageError, "65 compose files, more than 64"),
        ({"compose.yaml": "services: {}"}, DocumentError, "compose.yaml: has no services"),
        ({"compose.yaml": "version: '3'"}, DocumentError, "compose.yaml: has no services"),
        ({"compose.yaml": "services: {x: {build: ${A}}"}, DocumentError, "not YAML"),
        ({"compose.yaml": "x" * (1 << 20) + "x"}, UnreadableError, "more than the limit"),
    ],
)
def test_what_cannot_be_proposed_from(tmp_path, files, kind, message):
    with pytest.raises(kind) as caught:
        propose_fleet(write(tmp_path, files))
    assert message in caught.value.message


def test_a_missing_tree_and_a_choice_outside_it(tmp_path):
    with pytest.raises(UnreadableError, match="gone: No such file"):
        propose_fleet(str(tmp_path / "gone"))
    with pytest.raises(DocumentError, match="no path below the directory"):
        propose_fleet(str(tmp_path), ["../compose.yaml"])


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
PATHS = st.lists(
    NAMES | st.sampled_from(["*.sql", "a b", "é", "#x", "null", "~"]), min_size=1, max_size=3
)


@given(
    fleet=NAMES,
    names=st.lists(NAMES, min_size=1, max_size=5, unique=True),
    paths=st.lists(PATHS.map("/".join), min_size=1, max_size=4, unique=True),
    comment=st.text(st.characters(blacklist_categories=["C", "Zl", "Zp"]), max_size=30),
)
def test_whatever_is_proposed_reads_back(fleet, names, paths, comment):
    image = parse_reference("r.example/x")
    services = tuple(ProposedService(n, image, f"c-{n}"[:63], comment) for n in names)
    proposal = Proposal(fleet, services, tuple(paths), tuple(paths), ())
    read = parse_fleet(fleet_text(proposal).encode(), os.devnull)
    assert read.name == fleet
    assert {(s.name, s.compose) for s in read.services} == {(s.name, s.compose) for s in services}
    assert read.compose == read.files == tuple(paths)
