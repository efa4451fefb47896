"""Everything a registry, or what poses as one, can do wrong."""

import datetime as dt
import socket
import ssl
import threading
import time
from email.utils import format_datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fakes.images import build_image, build_index, to_json
from fakes.registry import (
    BLOBS,
    MANIFESTS,
    PASSWORD,
    USER,
    FakeRegistry,
    answer,
    dripping_body,
    dripping_headers,
    endless_body,
    hang,
    hang_up,
    html_page,
    other_bytes,
    other_digest_header,
    redirect,
    truncated_body,
)

from titan_provenance.errors import CouldNotCheckError, RegistryError, VerificationError
from titan_provenance.image import identify
from titan_provenance.image.credentials import Credential
from titan_provenance.image.manifest import OCI_INDEX, OCI_MANIFEST
from titan_provenance.image.registry import RegistryClient, RegistrySource
from titan_provenance.image.transport import Patience
from titan_provenance.model.reference import DigestReference, parse_reference

FAST = Patience(deadline=2, connect=1, read=1, attempts=3, backoff=0.01, longest_wait=0.05)
SHORT = Patience(deadline=0.3, connect=0.2, read=0.2, attempts=2, backoff=0.01)
HOST = "registry.example"


@pytest.fixture
def registry():
    with FakeRegistry() as registry:
        yield registry


@pytest.fixture
def reference(registry):
    return registry.push("titan/brain", "1.4.0", build_image())


def read(reference, patience=FAST, credential=None):
    with RegistryClient(patience=patience, credentials=lambda _: credential) as client:
        return client.manifest(parse_reference(reference))


def identity_of(reference, patience=FAST):
    with RegistryClient(patience=patience, credentials=lambda _: None) as client:
        return identify(RegistrySource(client, parse_reference(reference)))


def by_digest(reference):
    image = build_image()
    return str(DigestReference(parse_reference(reference).repository, image.digest))


def test_401_without_credential(reference, registry):
    registry.fault(MANIFESTS, answer(401, headers={"WWW-Authenticate": 'Basic realm="x"'}))

    with pytest.raises(RegistryError, match="asks for a login") as caught:
        read(reference)
    assert caught.value.exit_code == 3
    assert caught.value.hint == f"Run `docker login {registry.host}`."


def test_401_in_spite_of_the_credential(reference, registry):
    fault = answer(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
    registry.fault(MANIFESTS, fault, forever=True)

    with pytest.raises(RegistryError, match=f"registry answered 401 for {reference}") as caught:
        read(reference, credential=Credential("robot", "hunter2"))
    assert "docker login" in caught.value.hint


def test_403(reference, registry):
    registry.fault(MANIFESTS, answer(403))

    with pytest.raises(RegistryError, match=f"registry answered 403 for {reference}") as caught:
        read(reference)
    assert f"docker login {registry.host}" in caught.value.hint


def test_404_of_a_tag(registry):
    missing = f"{registry.host}/titan/brain:9.9.9"

    with pytest.raises(RegistryError) as caught:
        read(missing)
    assert caught.value.message == (
        f"tag 9.9.9 names no digest (registry answered 404 for {missing})"
    )


def test_404_of_a_digest(registry):
    missing = by_digest(f"{registry.host}/titan/brain:1.4.0")

    with pytest.raises(RegistryError, match=f"registry answered 404 for {missing}"):
        read(missing)


def test_429_with_retry_after_then_200(reference, registry):
    registry.fault(MANIFESTS, answer(429, headers={"Retry-After": "0"}))

    assert read(reference).data
    assert len(registry.requests) == 2


def test_429_with_a_date_then_200(reference, registry):
    soon = format_datetime(dt.datetime.now(dt.UTC), usegmt=True)
    registry.fault(MANIFESTS, answer(429, headers={"Retry-After": soon}))

    assert read(reference).data


def test_huge_retry_after_is_capped(reference, registry):
    registry.fault(MANIFESTS, answer(503, headers={"Retry-After": "86400"}))
    began = time.monotonic()

    assert read(reference).data
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("value", ["soon", "-1", "9" * 5000, "Mon, 99 Foo 2020 00:00:00 GMT"])
def test_retry_after_that_says_nothing_is_ignored(reference, registry, value):
    registry.fault(MANIFESTS, answer(429, headers={"Retry-After": value}))

    assert read(reference).data


def test_429_always_says_how_long_the_registry_asks_to_wait(reference, registry):
    registry.fault(MANIFESTS, answer(429, headers={"Retry-After": "3600"}), forever=True)

    with pytest.raises(RegistryError, match=r"answered 429 .* asks to wait: '3600'"):
        read(reference)


def test_500_then_200(reference, registry):
    registry.fault(MANIFESTS, answer(500))

    assert read(reference).data


def test_500_always(reference, registry):
    registry.fault(MANIFESTS, answer(500), forever=True)

    with pytest.raises(RegistryError, match=f"registry answered 500 for {reference}"):
        read(reference)
    assert len(registry.requests) == FAST.attempts


def test_wrong_digest_header(reference, registry):
    registry.fault(MANIFESTS, other_digest_header)

    with pytest.raises(RegistryError) as caught:
        read(reference)
    assert "sha256:" + "0" * 64 in str(caught.value)
    assert str(build_image().digest) in str(caught.value)


def test_wrong_bytes_for_a_digest_are_checked_and_bad(reference, registry):
    registry.fault(MANIFESTS, other_bytes)

    with pytest.raises(VerificationError, match="hash to") as caught:
        read(by_digest(reference))
    assert caught.value.exit_code == 1


def test_wrong_bytes_of_a_config_are_checked_and_bad(reference, registry):
    registry.fault(BLOBS, other_bytes)

    with pytest.raises(VerificationError, match="hash to"):
        identity_of(reference)


def test_wrong_bytes_of_a_platform_are_checked_and_bad(registry):
    index = build_index()
    reference = registry.push("titan/brain", "1.4.0", index)
    registry.fault(str(index.platforms[1].manifest), other_bytes)

    with pytest.raises(VerificationError, match="hash to"):
        identity_of(reference)


def test_endless_body_of_a_manifest(reference, registry):
    registry.fault(MANIFESTS, endless_body)

    with pytest.raises(RegistryError, match="the body goes on after 4194304 bytes"):
        read(reference)


def test_endless_body_of_a_blob_is_cut_at_its_size(reference, registry):
    registry.fault(BLOBS, endless_body)

    with pytest.raises(RegistryError, match="the body goes on after"):
        identity_of(reference)


def test_oversized_manifest_is_not_read(reference, registry):
    headers = {"Content-Type": OCI_MANIFEST, "Content-Length": str(5 << 20)}
    registry.fault(MANIFESTS, answer(200, headers=headers))

    with pytest.raises(RegistryError, match="5242880 bytes, more than the limit of 4194304"):
        read(reference)


def test_truncated_body(reference, registry):
    registry.fault(MANIFESTS, truncated_body)

    with pytest.raises(RegistryError, match="the body ends too early"):
        read(reference)


def test_dripping_body_is_cut_by_the_deadline(reference, registry):
    registry.fault(MANIFESTS, dripping_body)
    began = time.monotonic()

    with pytest.raises(RegistryError, match=r"the body did not arrive within 0\.3 s"):
        read(reference, SHORT)
    assert time.monotonic() - began < 10


def test_dripping_headers_are_cut_by_the_deadline(reference, registry):
    registry.fault(MANIFESTS, dripping_headers, forever=True)
    began = time.monotonic()

    with pytest.raises(RegistryError, match=r"no answer in time \(limit 0\.3 s\)"):
        read(reference, SHORT)
    assert time.monotonic() - began < 10


def test_body_that_is_encoded_unasked(reference, registry):
    headers = {"Content-Type": OCI_MANIFEST, "Content-Encoding": "gzip"}
    registry.fault(MANIFESTS, answer(200, headers=headers))

    with pytest.raises(RegistryError, match="the body is encoded"):
        read(reference)


def test_redirect_loop(reference, registry):
    registry.fault(MANIFESTS, redirect("/v2/titan/brain/manifests/1.4.0"), forever=True)

    with pytest.raises(RegistryError, match="redirected more than 5 times"):
        read(reference)
    assert len(registry.requests) == 6


@pytest.mark.parametrize(
    "location", ["", "ftp://host/x", "http://user:secret@127.0.0.1/x", "http://[", "http://a\\@b/"]
)
def test_redirect_to_what_may_not_be_asked(reference, registry, location):
    registry.fault(MANIFESTS, redirect(location), forever=True)

    with pytest.raises(RegistryError) as caught:
        read(reference)
    assert "secret" not in str(caught.value)


def test_redirect_to_plain_http_elsewhere_is_refused(reference, registry):
    registry.fault(MANIFESTS, redirect("http://storage.example/blob?signature=s3cret"))

    with pytest.raises(RegistryError, match="plain http is for loopback") as caught:
        read(reference)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_redirect_to_another_host_does_not_carry_the_credential(auth):
    with FakeRegistry(auth=auth) as registry, FakeRegistry() as storage:
        reference = registry.push("titan/brain", "1.4.0", build_image())
        storage.push("titan/brain", "1.4.0", build_image())
        path = "/v2/titan/brain/manifests/1.4.0"
        registry.fault(
            MANIFESTS, answer(401, headers=challenge(registry)), redirect(storage.url + path)
        )

        assert read(reference, credential=Credential(USER, PASSWORD)).data
        assert registry.requests[-1].authorization
        assert [request.authorization for request in storage.requests] == [""]


def challenge(registry):
    if registry.auth == "basic":
        return {"WWW-Authenticate": 'Basic realm="x"'}
    return {"WWW-Authenticate": f'Bearer realm="{registry.url}/token",service="fake"'}


def test_redirect_within_the_host_carries_the_credential():
    with FakeRegistry(auth="basic") as registry:
        image = build_image()
        reference = registry.push("titan/brain", "1.4.0", image)
        to = f"/v2/titan/brain/manifests/{image.digest}"
        registry.fault("/1.4.0", answer(401, headers=challenge(registry)), redirect(to))

        assert read(reference, credential=Credential(USER, PASSWORD)).data


def test_401_of_another_host_is_not_answered_with_the_credential(registry, reference):
    with FakeRegistry(auth="basic") as other:
        registry.fault(MANIFESTS, redirect(f"{other.url}/v2/titan/brain/manifests/1.4.0"))

        with pytest.raises(RegistryError, match="401"):
            read(reference, credential=Credential(USER, PASSWORD))
        assert [request.authorization for request in other.requests] == [""]


def test_token_request_that_is_redirected_does_not_carry_the_credential():
    with FakeRegistry(auth="bearer") as registry, FakeRegistry() as other:
        reference = registry.push("titan/brain", "1.4.0", build_image())
        registry.fault("/token", redirect(f"{other.url}/elsewhere"))

        with pytest.raises(RegistryError, match="token server"):
            read(reference, credential=Credential(USER, PASSWORD))
        assert [request.authorization for request in other.requests] == [""]


def test_identity_token_is_not_posted_after_a_redirect():
    with FakeRegistry(auth="bearer") as registry, FakeRegistry() as other:
        reference = registry.push("titan/brain", "1.4.0", build_image())
        registry.fault("/token", redirect(f"{other.url}/elsewhere"))

        with pytest.raises(RegistryError, match="redirects to another place"):
            read(reference, credential=Credential("<token>", identity_token="secret"))
        assert not other.requests


def test_hang(reference, registry):
    registry.fault(MANIFESTS, hang, forever=True)
    began = time.monotonic()

    with pytest.raises(RegistryError, match=r"no answer in time \(limit 0\.3 s\)") as caught:
        read(reference, SHORT)
    assert caught.value.exit_code == 3
    assert time.monotonic() - began < 10


def test_connection_closed_without_an_answer_then_200(reference, registry):
    registry.fault(MANIFESTS, hang_up)

    assert read(reference).data


def test_connection_closed_without_an_answer_always(reference, registry):
    registry.fault(MANIFESTS, hang_up, forever=True)

    with pytest.raises(RegistryError, match="the connection was closed without an answer"):
        read(reference)


def test_connection_refused():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{unused.getsockname()[1]}"

        with pytest.raises(RegistryError, match=f"{host}/.*: cannot be reached: Connection ref"):
            read(f"{host}/titan/brain:1.4.0")


@pytest.mark.parametrize(
    "host", ["[:::]:5000", "127.0.0.1:99999", "localhost:0", "a" * 64 + ".example"]
)
def test_a_host_that_cannot_be_one(host):
    with pytest.raises(RegistryError):
        read(f"{host}/titan/brain:1.4.0", SHORT)


def test_something_that_does_not_speak_http(reference, registry):
    registry.fault(MANIFESTS, lambda exchange: exchange.send(b"SSH-2.0-OpenSSH_9\r\n"))

    with pytest.raises(RegistryError, match="gave no HTTP answer"):
        read(reference)


def test_html_page(reference, registry):
    registry.fault(MANIFESTS, html_page)

    with pytest.raises(RegistryError, match="answered with 'text/html', not with a manifest"):
        read(reference)


def test_body_that_contradicts_the_content_type(reference, registry):
    registry.fault(MANIFESTS, lambda exchange: exchange.answer_content(Content_Type=OCI_INDEX))

    with pytest.raises(CouldNotCheckError, match="but was announced as"):
        identity_of(reference)


def test_child_that_the_registry_calls_by_another_type(registry):
    index = build_index()
    reference = registry.push("titan/brain", "1.4.0", index)
    child = str(index.platforms[0].manifest)
    registry.fault(child, lambda exchange: exchange.answer_content(Content_Type=OCI_INDEX))

    with pytest.raises(RegistryError, match="what the index calls"):
        identity_of(reference)


@pytest.mark.parametrize("suffix", ["json", "prettyjws"])
def test_schema_1(registry, suffix):
    data = to_json({"schemaVersion": 1, "name": "titan/brain", "fsLayers": []})
    media_type = f"application/vnd.docker.distribution.manifest.v1+{suffix}"
    reference = registry.push_manifest("titan/brain", "old", media_type, data)

    with pytest.raises(CouldNotCheckError, match="schema 1"):
        identity_of(reference)


# TLS: the names that are not loopback's get https, and resolve to loopback here.


@pytest.fixture
def resolves_to_loopback(monkeypatch):
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        "socket.getaddrinfo", lambda _host, *args, **kw: resolve("127.0.0.1", *args, **kw)
    )


@pytest.fixture
def certificate(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(
        built.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(path)


@pytest.fixture
def tls_registry(certificate, resolves_to_loopback):  # noqa: ARG001  pytest fixture
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with FakeRegistry(tls=context) as registry:
        registry.push("titan/brain", "1.4.0", build_image())
        yield registry


def test_tls_failure_of_a_self_signed_certificate(tls_registry, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)

    with pytest.raises(RegistryError, match="TLS certificate is not trusted: self") as caught:
        read(f"{HOST}:{tls_registry.port}/titan/brain:1.4.0")
    assert "REQUESTS_CA_BUNDLE" in caught.value.hint


def test_tls_with_the_bundle_that_the_environment_names(tls_registry, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)

    assert read(f"{HOST}:{tls_registry.port}/titan/brain:1.4.0").data


def test_tls_bundle_that_does_not_exist(tls_registry, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent/bundle.pem")

    with pytest.raises(RegistryError):
        read(f"{HOST}:{tls_registry.port}/titan/brain:1.4.0")


@pytest.mark.usefixtures("resolves_to_loopback")
def test_tls_with_a_server_that_speaks_none():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet():
            peer, _ = server.accept()
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            peer.close()

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(RegistryError, match=f"{HOST}.*: no TLS connection"):
            read(f"{HOST}:{server.getsockname()[1]}/titan/brain:1.4.0", SHORT)
        thread.join()


def test_redirect_from_https_to_http_is_refused(tls_registry, registry, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
    tls_registry.fault(MANIFESTS, redirect(f"{registry.url}/v2/titan/brain/manifests/1.4.0"))

    with pytest.raises(RegistryError, match="leaves https: not followed"):
        read(f"{HOST}:{tls_registry.port}/titan/brain:1.4.0")
    assert not registry.requests


def test_no_secret_is_in_a_message_or_its_causes(reference, registry):
    closed = "http://127.0.0.1:1/blob?X-Amz-Signature=s3cret"
    registry.fault(MANIFESTS, redirect(closed))

    with pytest.raises(RegistryError) as caught:
        read(reference)
    shown = caught.value
    while shown:
        assert "s3cret" not in str(shown)
        shown = shown.__cause__
