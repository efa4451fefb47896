import base64
import json

import pytest
from fakes.images import build_image
from fakes.registry import PASSWORD, USER, FakeRegistry

from titan_provenance.errors import CouldNotCheckError, DocumentError, TitanProvenanceError
from titan_provenance.image import Sources, identify
from titan_provenance.image.credentials import Credential, find_credential


@pytest.fixture
def configure(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    def write(config):
        text = config if isinstance(config, str) else json.dumps(config)
        (tmp_path / "config.json").write_text(text)

    return write


@pytest.fixture
def helper(tmp_path, monkeypatch):
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory), prepend=":")

    def write(name, script):
        program = directory / f"docker-credential-{name}"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    return write


def encode(text):
    return base64.b64encode(text.encode()).decode()


def test_without_config_there_is_no_credential(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nowhere"))

    assert find_credential("ghcr.io") is None


def test_config_is_found_in_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".docker").mkdir()
    config = {"auths": {"ghcr.io": {"auth": encode("u:p")}}}
    (tmp_path / ".docker" / "config.json").write_text(json.dumps(config))

    assert find_credential("ghcr.io") == Credential("u", "p")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"auth": encode("u:p")}, Credential("u", "p")),
        ({"auth": encode("u:p:with:colons")}, Credential("u", "p:with:colons")),
        ({"auth": encode("u:p\0")}, Credential("u", "p")),
        ({"username": "u", "password": "p"}, Credential("u", "p")),
        (
            {"auth": encode("u:"), "identitytoken": "t"},
            Credential("u", identity_token="t"),
        ),
        ({}, None),
        ({"auth": encode("u:")}, None),
    ],
)
def test_auths(configure, entry, expected):
    configure({"auths": {"ghcr.io": entry}})

    assert find_credential("ghcr.io") == expected


@pytest.mark.parametrize(
    "key",
    ["ghcr.io", "https://ghcr.io", "http://ghcr.io/", "https://ghcr.io/v1/", "https://ghcr.io/v2"],
)
def test_keys_of_old_clients_are_understood(configure, key):
    configure({"auths": {key: {"auth": encode("u:p")}}})

    assert find_credential("ghcr.io") == Credential("u", "p")


@pytest.mark.parametrize(
    "key", ["ghcr.io.evil.example", "evil.example/ghcr.io", "ghcr.io/team", "ghcr.io:443", "io"]
)
def test_keys_of_other_places_do_not_match(configure, key):
    configure({"auths": {key: {"auth": encode("u:p")}}})

    assert find_credential("ghcr.io") is None


@pytest.mark.parametrize(
    "key", ["https://index.docker.io/v1/", "docker.io", "registry-1.docker.io"]
)
def test_docker_hub_has_many_names(configure, key):
    configure({"auths": {key: {"auth": encode("u:p")}}})

    assert find_credential("docker.io") == Credential("u", "p")


@pytest.mark.parametrize(
    "config",
    [
        "[]",
        "{",
        '{"auths": []}',
        '{"auths": {"ghcr.io": "x"}}',
        '{"auths": {"ghcr.io": {"auth": "%%%"}}}',
        '{"auths": {"ghcr.io": {"auth": "c2VjcmV0"}}}',
        '{"credHelpers": 7}',
        '{"credsStore": "../../bin/sh"}',
        '{"credsStore": 7}',
    ],
)
def test_a_config_that_makes_no_sense_is_an_error_without_secrets(configure, config):
    configure(config)

    with pytest.raises(DocumentError) as caught:
        find_credential("ghcr.io")
    assert "secret" not in caught.value.message
    assert "c2VjcmV0" not in caught.value.message


def test_a_helper_for_the_registry_comes_before_the_store(configure, helper):
    configure({"credsStore": "store", "credHelpers": {"ghcr.io": "own"}})
    helper("own", """read host; printf '{"Username": "own", "Secret": "%s"}' "$host$1" """)
    helper("store", """printf '{"Username": "store", "Secret": "s"}'""")

    assert find_credential("ghcr.io") == Credential("own", "ghcr.ioget")
    assert find_credential("quay.io") == Credential("store", "s")


def test_a_helper_may_answer_an_identity_token(configure, helper):
    configure({"credsStore": "store"})
    helper("store", """printf '{"Username": "<token>", "Secret": "refresh"}'""")

    assert find_credential("ghcr.io") == Credential("<token>", identity_token="refresh")


def test_a_helper_is_asked_for_docker_hub_by_its_old_name(configure, helper):
    configure({"credsStore": "store"})
    helper("store", """read host; printf '{"Username": "u", "Secret": "%s"}' "$host" """)

    assert find_credential("docker.io").password == "https://index.docker.io/v1/"


def test_a_helper_that_has_none_leaves_it_to_auths(configure, helper):
    configure({"credsStore": "store", "auths": {"ghcr.io": {"auth": encode("u:p")}}})
    helper("store", "echo credentials not found in native keychain; exit 1")

    assert find_credential("ghcr.io") == Credential("u", "p")
    assert find_credential("quay.io") is None


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo s3cret; exit 2", r"failed for ghcr\.io \(exit 2\)"),
        ("echo s3cret", "answered no credential"),
        ("echo '[\"s3cret\"]'", "answered no credential"),
        ('echo \'{"Username": 7, "Secret": "s3cret"}\'', "answered no credential"),
    ],
)
def test_a_helper_that_fails_is_an_error_without_secrets(configure, helper, script, problem):
    configure({"credsStore": "store"})
    helper("store", script)

    with pytest.raises(CouldNotCheckError, match=problem) as caught:
        find_credential("ghcr.io")
    shown = caught.value
    while shown:
        assert "s3cret" not in str(shown)
        shown = shown.__cause__


def test_a_helper_that_is_not_installed_is_an_error(configure):
    configure({"credsStore": "missing"})

    with pytest.raises(CouldNotCheckError, match="docker-credential-missing is not on PATH"):
        find_credential("ghcr.io")


def test_a_helper_that_hangs_is_an_error(configure, helper, monkeypatch):
    monkeypatch.setattr("titan_provenance.image.credentials.HELPER_TIMEOUT", 0.2)
    configure({"credsStore": "store"})
    helper("store", "exec sleep 10")

    with pytest.raises(CouldNotCheckError, match=r"did not answer within 0\.2 s"):
        find_credential("ghcr.io")


def test_a_credential_does_not_show_its_secrets():
    assert "hunter2" not in repr(Credential("u", "hunter2", "hunter2"))


def test_docker_login_is_enough_to_read_a_private_image(configure):
    with FakeRegistry(auth="bearer") as registry, Sources() as sources:
        configure({"auths": {registry.host: {"auth": encode(f"{USER}:{PASSWORD}")}}})
        image = build_image()
        reference = registry.push("titan/brain", "1.4.0", image)

        assert identify(sources.open(f"registry:{reference}")).digest == image.digest


def test_a_broken_config_stops_a_private_image_only(configure):
    with FakeRegistry() as public, FakeRegistry(auth="basic") as private, Sources() as sources:
        configure("{")
        image = build_image()

        assert identify(sources.open(f"registry:{public.push('brain', '1', image)}"))
        with pytest.raises(TitanProvenanceError, match=r"config\.json"):
            identify(sources.open(f"registry:{private.push('brain', '1', image)}"))
