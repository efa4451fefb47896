import hashlib
import socket
import threading
from contextlib import closing

import pytest
from fakes.images import build_image, build_index
from fakes.registry import (
    IDENTITY_TOKEN,
    PASSWORD,
    USER,
    FakeRegistry,
    answer,
)

from titan_provenance.errors import RegistryError
from titan_provenance.image import Sources, identify, read_verified, stream_verified
from titan_provenance.image.auth import parse_challenges
from titan_provenance.image.credentials import Credential
from titan_provenance.image.registry import RegistryClient, RegistrySource
from titan_provenance.image.source import Descriptor
from titan_provenance.image.transport import Patience
from titan_provenance.model.digest import Digest
from titan_provenance.model.reference import DigestReference, parse_reference


@pytest.fixture
def registry():
    with FakeRegistry() as registry:
        yield registry


def client_with(credential=None, **options):
    return RegistryClient(credentials=lambda _: credential, **options)


def read(reference, credential=None):
    with client_with(credential) as client:
        return client.manifest(parse_reference(reference))


def test_a_tag_is_read_in_one_request_with_all_four_types_accepted(registry):
    image = build_image()

    fetched = read(registry.push("titan/brain", "1.4.0", image))

    assert fetched.descriptor == image.descriptor
    assert fetched.data == image.manifest_bytes
    (request,) = registry.requests
    assert request.path == "/v2/titan/brain/manifests/1.4.0"
    assert sorted(request.headers["accept"].split(", ")) == [
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
    ]


def test_a_digest_is_read_by_digest(registry):
    image = build_image()
    tagged = parse_reference(registry.push("titan/brain", "1.4.0", image))

    fetched = read(str(DigestReference(tagged.repository, image.digest)))

    assert fetched.descriptor.digest == image.digest


def test_identity_of_one_image_costs_two_requests_and_no_layer(registry):
    image = build_image()
    reference = parse_reference(registry.push("titan/brain", "1.4.0", image))
    with client_with() as client:
        identity = identify(RegistrySource(client, reference))

    assert identity.digest == image.digest
    assert identity.platforms == image.platforms
    assert identity.answered_by == f"registry:{reference}"
    assert len(registry.requests) == 2


@pytest.mark.parametrize("docker", [False, True])
def test_identity_of_an_index_names_each_platform(registry, docker):
    index = build_index(docker=docker)
    reference = registry.push("titan/brain", "1.4.0", index)
    with Sources() as sources:
        identity = identify(sources.open(f"registry:{reference}"))

    assert identity.digest == index.digest
    assert identity.platforms == index.platforms
    assert not [path for path in registry.paths() if "/blobs/" in path]


def test_a_layer_is_streamed_and_verified(registry):
    image = build_image()
    reference = parse_reference(registry.push("titan/brain", "1.4.0", image))
    with client_with() as client:
        source = RegistrySource(client, reference)
        layer = next(
            descriptor_of(digest, content)
            for digest, content in image.contents.items()
            if "layer" in content[0]
        )
        data = b"".join(stream_verified(source, layer))

    assert hashlib.sha256(data).hexdigest() == layer.digest.hex


def test_a_stream_that_is_given_up_leaves_the_client_usable(registry):
    image = build_image()
    reference = parse_reference(registry.push("titan/brain", "1.4.0", image))
    with client_with() as client:
        source = RegistrySource(client, reference)
        config = descriptor_of(*next(iter(image.contents.items())))
        with closing(stream_verified(source, config)) as chunks:
            next(chunks)
        assert identify(source).digest == image.digest


def descriptor_of(digest, content):
    return Descriptor(content[0], Digest.parse(digest), len(content[1]))


def test_connections_are_used_again(registry):
    image = build_index()
    reference = parse_reference(registry.push("titan/brain", "1.4.0", image))
    with client_with() as client:
        for _ in range(3):
            client.manifest(reference)

    assert len({request.connection for request in registry.requests}) == 1


def test_basic_login_is_asked_for_and_sent():
    with FakeRegistry(auth="basic") as registry:
        reference = registry.push("titan/brain", "1.4.0", build_image())
        read(reference, Credential(USER, PASSWORD))

        assert [bool(request.authorization) for request in registry.requests] == [False, True]


@pytest.mark.parametrize("token_field", ["token", "access_token"])
def test_bearer_token_is_got_with_the_credential_for_this_repository_only(token_field):
    with FakeRegistry(auth="bearer", token_field=token_field) as registry:
        reference = registry.push("titan/brain", "1.4.0", build_image())
        read(reference, Credential(USER, PASSWORD))

        first, token, last = registry.requests
        assert not first.authorization
        assert token.path == "/token?service=fake&scope=repository%3Atitan%2Fbrain%3Apull"
        assert token.authorization.startswith("Basic ")
        assert last.authorization == "Bearer token-0"


def test_bearer_token_is_got_without_credential_where_all_may_read():
    with FakeRegistry(auth="bearer", anonymous_tokens=True) as registry:
        reference = registry.push("titan/brain", "1.4.0", build_image())

        assert read(reference).data


def test_identity_token_is_posted_as_a_refresh_token():
    with FakeRegistry(auth="bearer") as registry:
        reference = registry.push("titan/brain", "1.4.0", build_image())
        read(reference, Credential("<token>", identity_token=IDENTITY_TOKEN))

        (post,) = [request for request in registry.requests if request.method == "POST"]
        assert post.path == "/token"
        assert b"grant_type=refresh_token" in post.body
        assert not post.authorization


def test_a_token_serves_all_requests_of_its_repository():
    with FakeRegistry(auth="bearer") as registry:
        reference = parse_reference(registry.push("titan/brain", "1.4.0", build_index()))
        with client_with(Credential(USER, PASSWORD)) as client:
            identify(RegistrySource(client, reference))
            identify(RegistrySource(client, reference))

        assert len(registry.tokens) == 1


def test_threads_that_need_the_same_token_ask_for_one():
    with FakeRegistry(auth="bearer", latency=0.02) as registry:
        reference = parse_reference(registry.push("titan/brain", "1.4.0", build_image()))
        with client_with(Credential(USER, PASSWORD)) as client:
            threads = [
                threading.Thread(target=client.manifest, args=(reference,)) for _ in range(8)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        assert len(registry.tokens) == 1


def test_a_token_that_has_expired_is_replaced():
    with FakeRegistry(auth="bearer") as registry:
        reference = parse_reference(registry.push("titan/brain", "1.4.0", build_image()))
        with client_with(Credential(USER, PASSWORD)) as client:
            client.manifest(reference)
            registry.tokens["token-0"] = "expired"
            client.manifest(reference)

        assert len(registry.tokens) == 2


def test_wrong_password_is_a_refusal_that_does_not_show_it():
    with FakeRegistry(auth="bearer") as registry:
        reference = registry.push("titan/brain", "1.4.0", build_image())
        with pytest.raises(RegistryError, match=r"token server .* answered 401") as caught:
            read(reference, Credential(USER, "hunter2"))

    assert caught.value.hint == f"Run `docker login {registry.host}`."
    assert "hunter2" not in str(caught.value)


def test_a_token_server_without_https_gets_no_credential(registry):
    reference = registry.push("titan/brain", "1.4.0", build_image())
    challenge = 'Bearer realm="http://tokens.example/token",service="x"'
    registry.fault("/manifests/", answer(401, headers={"WWW-Authenticate": challenge}))

    with pytest.raises(RegistryError, match="without https: not followed"):
        read(reference, Credential(USER, PASSWORD))


@pytest.mark.parametrize("realm", ["", "/token", "https://user:pass@host/", "ftp://host/x", "//["])
def test_a_token_server_that_is_no_url_is_refused(registry, realm):
    reference = registry.push("titan/brain", "1.4.0", build_image())
    headers = {"WWW-Authenticate": f'Bearer realm="{realm}"'}
    registry.fault("/manifests/", answer(401, headers=headers))

    with pytest.raises(RegistryError):
        read(reference, Credential(USER, PASSWORD))


@pytest.mark.parametrize("body", [b"", b"[]", b'{"token": 7}', b'{"token": "two words"}', b"{}"])
def test_a_token_server_without_a_token_is_a_clear_error(body):
    with FakeRegistry(auth="bearer") as registry:
        reference = registry.push("titan/brain", "1.4.0", build_image())
        registry.fault("/token", answer(200, body))

        with pytest.raises(RegistryError, match="answered without a token"):
            read(reference, Credential(USER, PASSWORD))


def test_netrc_is_not_read(registry, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login robot password from-netrc\n")
    monkeypatch.setenv("NETRC", str(netrc))
    read(registry.push("titan/brain", "1.4.0", build_image()))

    assert not registry.requests[0].authorization


def test_docker_hub_is_asked_at_its_api_host(monkeypatch):
    asked = []

    def refuse(host, *_args, **_options):
        asked.append(host)
        raise OSError(111, "Connection refused")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    with (
        RegistryClient(credentials=lambda _: None, patience=fast()) as client,
        pytest.raises(RegistryError, match=r"https://registry-1\.docker\.io/v2/library/alpine/"),
    ):
        client.manifest(parse_reference("alpine:3.20"))

    assert set(asked) == {"registry-1.docker.io"}


def fast():
    return Patience(deadline=1, attempts=1)


def test_plain_http_goes_to_hosts_that_are_named_insecure(monkeypatch, registry):
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        "socket.getaddrinfo", lambda _host, *args, **kw: resolve("127.0.0.1", *args, **kw)
    )
    registry.push("titan/brain", "1.4.0", build_image())
    name = f"registry.example:{registry.port}"
    with client_with(insecure=[name]) as client:
        assert client.manifest(parse_reference(f"{name}/titan/brain:1.4.0")).data


def test_a_proxy_is_used_but_not_for_loopback(monkeypatch, registry):
    monkeypatch.setenv("HTTP_PROXY", registry.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    reference = registry.push("titan/brain", "1.4.0", build_image())
    with client_with(insecure=["registry.example"], patience=fast()) as client:
        client.manifest(parse_reference(reference))
        client.manifest(parse_reference("registry.example/titan/brain:1.4.0"))

    assert registry.paths() == [
        "/v2/titan/brain/manifests/1.4.0",
        "http://registry.example/v2/titan/brain/manifests/1.4.0",
    ]


def test_config_is_read_within_its_limit(registry):
    image = build_image()
    reference = parse_reference(registry.push("titan/brain", "1.4.0", image))
    with client_with() as client:
        source = RegistrySource(client, reference)
        assert read_verified(source, source.root(), 4096) == image.manifest_bytes


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ('Basic realm="a b"', [("basic", {"realm": "a b"})]),
        (
            'Bearer realm="https://x/t",service="s",scope="repository:a/b:pull,push"',
            [
                (
                    "bearer",
                    {"realm": "https://x/t", "service": "s", "scope": "repository:a/b:pull,push"},
                )
            ],
        ),
        ("BASIC REALM=plain", [("basic", {"realm": "plain"})]),
        (
            'Negotiate, Basic realm="a", Bearer realm="b"',
            [("negotiate", {}), ("basic", {"realm": "a"}), ("bearer", {"realm": "b"})],
        ),
        (r'Basic realm="a \"quoted\" b"', [("basic", {"realm": 'a "quoted" b'})]),
        ('Basic realm="first", realm="second"', [("basic", {"realm": "first"})]),
    ],
)
def test_challenges_are_parsed(header, expected):
    assert [(item.scheme, item.parameters) for item in parse_challenges(header)] == expected


@pytest.mark.parametrize("header", ['"', "= =", 'Bearer realm="open', "Bearer realm==,,;"])
def test_a_challenge_that_is_none_is_an_error(header):
    with pytest.raises(RegistryError):
        parse_challenges(header)
