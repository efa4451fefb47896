import json
import threading
from urllib.parse import urlsplit

import pytest
from fakes.images import build_image, build_index, to_json
from fakes.registry import (
    IDENTITY_TOKEN,
    MANIFESTS,
    PASSWORD,
    REFERRERS,
    USER,
    FakeRegistry,
    answer,
    hang_up,
    redirect,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from titan_provenance.errors import CouldNotCheckError, RegistryError, VerificationError
from titan_provenance.image import push, referrers
from titan_provenance.image.auth import Access
from titan_provenance.image.credentials import Credential
from titan_provenance.image.manifest import OCI_INDEX, OCI_MANIFEST
from titan_provenance.image.push import Artifact, push_referrer
from titan_provenance.image.referrers import list_referrers, read_artifact
from titan_provenance.image.registry import MissingError, RegistryClient
from titan_provenance.image.source import Descriptor
from titan_provenance.image.transport import Patience
from titan_provenance.model.digest import Digest
from titan_provenance.model.reference import DigestReference, Repository, parse_reference

FAST = Patience(deadline=2, connect=1, read=1, attempts=3, backoff=0.01, longest_wait=0.05)
TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
ARTIFACT = Artifact(TYPE, b'{"bundle": 1}', {"kind": "first"})
OTHER = Artifact(TYPE, b'{"bundle": 2}', {"kind": "second"})
UPLOADS = "/blobs/uploads/"


@pytest.fixture(params=[False, True], ids=["tag", "api"])
def either(request):
    with FakeRegistry() as registry:
        registry.referrers = request.param
        yield registry


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(push, "_PAUSE", 0.02)
    with FakeRegistry() as registry:
        yield registry


def put_image(registry, image=None):
    """Keep an image in the registry; return its reference by digest."""
    image = image or build_image()
    tagged = parse_reference(registry.push("titan/brain", "1.4.0", image))
    return DigestReference(tagged.repository, image.digest)


def client_with(credential=None, patience=FAST):
    return RegistryClient(patience=patience, credentials=lambda _: credential)


def push_to(image, artifact=ARTIFACT, **options):
    with client_with(**options) as client:
        return push_referrer(client, image, artifact)


def listed(image, artifact_type=TYPE):
    with client_with() as client:
        return list_referrers(client, image, artifact_type)


def index_of(registry, image):
    return registry.manifest("titan/brain", f"sha256-{image.digest.hex}")


def methods(registry):
    return [(request.method, urlsplit(request.path).path) for request in registry.requests]


def test_an_artifact_is_one_layer_with_the_image_as_subject(either):
    image = put_image(either)
    descriptor = build_image().descriptor

    pushed = push_to(image)

    manifest = either.manifest("titan/brain", str(pushed.digest))
    assert manifest == {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": TYPE,
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": str(Digest.of(b"{}")),
            "size": 2,
        },
        "layers": [
            {
                "mediaType": TYPE,
                "digest": str(Digest.of(ARTIFACT.data)),
                "size": len(ARTIFACT.data),
            }
        ],
        "subject": {
            "mediaType": OCI_MANIFEST,
            "digest": str(image.digest),
            "size": descriptor.size,
        },
        "annotations": {"kind": "first"},
    }
    assert (index_of(either, image) is None) == either.referrers


def test_what_was_pushed_is_listed_and_read_back(either):
    image = put_image(either, build_index())
    assert listed(image) == ()
    pushed = push_to(image)
    other = push_to(image, OTHER)

    assert {item.digest for item in listed(image)} == {pushed.digest, other.digest}
    assert pushed in listed(image)
    assert listed(image, "application/other") == ()
    with client_with() as client:
        assert read_artifact(client, image, pushed, 100) == ARTIFACT.data
        with pytest.raises(CouldNotCheckError, match="more than the limit of 3"):
            read_artifact(client, image, pushed, 3)


def test_pushed_again_nothing_is_sent_and_nothing_is_listed_twice(either):
    image = put_image(either)
    assert push_to(image) == push_to(image)
    assert len(listed(image)) == 1
    assert len([method for method, _ in methods(either) if method == "POST"]) == 2


def test_the_index_keeps_all_that_others_wrote(registry):
    image = put_image(registry)
    theirs = {
        "mediaType": OCI_MANIFEST,
        "digest": str(Digest.of(b"theirs")),
        "size": 6,
        "artifactType": "application/theirs",
        "annotations": {"a": "b"},
        "com.example.own": [1],
    }
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [theirs],
        "annotations": {"of": "the index"},
    }
    tag = f"sha256-{image.digest.hex}"
    registry.push_manifest("titan/brain", tag, OCI_INDEX, to_json(index))

    pushed = push_to(image)

    after = index_of(registry, image)
    assert after["annotations"] == index["annotations"]
    assert after["manifests"] == [
        theirs,
        {
            "mediaType": OCI_MANIFEST,
            "digest": str(pushed.digest),
            "size": pushed.size,
            "artifactType": TYPE,
            "annotations": {"kind": "first"},
        },
    ]


def test_an_index_that_another_wrote_over_ours_is_extended_again(registry):
    image = put_image(registry)
    tag = f"sha256-{image.digest.hex}"
    theirs = {"mediaType": OCI_MANIFEST, "digest": str(Digest.of(b"theirs")), "size": 6}
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [theirs]}

    def written_over(exchange):
        registry.push_manifest("titan/brain", tag, OCI_INDEX, to_json(index))
        exchange.answer(201, b"")

    # The first request is to read the index, the second one is to put ours.
    registry.fault(f"{MANIFESTS}{tag}", answer(404), written_over)

    pushed = push_to(image)

    digests = {item["digest"] for item in index_of(registry, image)["manifests"]}
    assert digests == {theirs["digest"], str(pushed.digest)}


def test_several_that_push_at_the_same_time_are_all_kept(registry):
    image = put_image(registry)
    artifacts = [Artifact(TYPE, b"%d" % number, {}) for number in range(4)]
    threads = [threading.Thread(target=push_to, args=(image, item)) for item in artifacts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(index_of(registry, image)["manifests"]) == 4


def test_an_index_that_never_keeps_ours_is_given_up(registry, monkeypatch):
    monkeypatch.setattr(push, "_ATTEMPTS", 2)
    image = put_image(registry)
    tag = f"{MANIFESTS}sha256-{image.digest.hex}"
    registry.fault(tag, answer(404), answer(201), answer(404), answer(201))
    with pytest.raises(RegistryError, match="others write to it all the time"):
        push_to(image)


def test_what_is_no_index_of_referrers_is_left_alone(registry):
    image = put_image(registry)
    registry.push("titan/brain", f"sha256-{image.digest.hex}", build_image("other"))
    with pytest.raises(RegistryError, match="no index of referrers"):
        push_to(image)
    with pytest.raises(RegistryError, match="no index of referrers"):
        listed(image)


def test_a_full_index_is_left_alone(registry, monkeypatch):
    monkeypatch.setattr(push, "MAX_MANIFESTS", 1)
    image = put_image(registry)
    push_to(image)
    with pytest.raises(RegistryError, match="is full"):
        push_to(image, OTHER)
    assert len(index_of(registry, image)["manifests"]) == 1


def test_an_image_that_is_not_there_gets_no_artifact(registry):
    repository = Repository(registry.host, "titan/brain")
    with pytest.raises(MissingError, match="no such digest"):
        push_to(DigestReference(repository, Digest.of(b"none")))
    assert {method for method, _ in methods(registry)} == {"GET"}


@pytest.mark.parametrize(
    "credential",
    [Credential(USER, PASSWORD), Credential("", identity_token=IDENTITY_TOKEN)],
    ids=["password", "identity token"],
)
def test_tokens_are_asked_for_with_the_scope_to_push(credential):
    with FakeRegistry(auth="bearer") as registry:
        pushed = push_to(put_image(registry), credential=credential)
        assert registry.manifest("titan/brain", str(pushed.digest))
        scopes = sorted(registry.tokens.values())
        assert scopes == ["repository:titan/brain:pull", "repository:titan/brain:pull,push"]


def test_basic_credentials_serve_to_push():
    with FakeRegistry(auth="basic") as registry:
        assert push_to(put_image(registry), credential=Credential(USER, PASSWORD))


def test_without_a_login_nothing_is_pushed():
    with FakeRegistry(auth="bearer", anonymous_tokens=True) as registry:
        image = put_image(registry)
        registry.fault(UPLOADS, answer(403))
        with pytest.raises(RegistryError, match="not allowed to push") as caught:
            push_to(image)
        assert "docker login" in caught.value.hint


def test_the_scope_to_push_is_asked_for_where_the_registry_offers_less():
    repository = Repository("registry.example", "titan/brain")
    offered = "repository:titan/brain:pull"
    assert Access(repository, "pull,push").scope(offered) == f"{offered},push"
    assert Access(repository, "pull,push").scope("") == f"{offered},push"
    assert Access(repository, "pull,push").scope(f"{offered},push") == f"{offered},push"
    assert Access(repository).scope("") == offered
    assert Access(repository).scope("registry:catalog:*") == "registry:catalog:*"


@pytest.mark.parametrize("place", ["http://127.0.0.2:1/v2/x", "//other.example/x", "http://[/x"])
def test_a_place_on_another_host_gets_nothing(place):
    with FakeRegistry(auth="basic") as registry, FakeRegistry() as stranger:
        image = put_image(registry)
        location = {"Location": place.replace("127.0.0.2:1", stranger.host)}
        challenge = answer(401, headers={"WWW-Authenticate": 'Basic realm="fake"'})
        registry.fault(UPLOADS, challenge, answer(202, headers=location))
        with pytest.raises(RegistryError, match=r"not followed|no URL"):
            push_to(image, credential=Credential(USER, PASSWORD))
        assert stranger.requests == []


def test_an_absolute_place_with_a_query_is_kept_whole(registry):
    image = put_image(registry)
    place = f"http://{registry.host}/v2/titan/brain/blobs/uploads/9?_state=a%2Fb"
    registry.fault(UPLOADS, answer(202, headers={"Location": place}))
    push_to(image)
    first = next(request for request in registry.requests if request.method == "PUT")
    assert first.path.startswith("/v2/titan/brain/blobs/uploads/9?_state=a%2Fb&digest=sha256%3A")
    assert first.headers["content-type"] == "application/octet-stream"
    assert first.headers["content-length"] == str(len(ARTIFACT.data))


def test_no_place_at_all_is_an_error(registry):
    image = put_image(registry)
    registry.fault(UPLOADS, answer(202))
    with pytest.raises(RegistryError, match="names no place"):
        push_to(image)


def test_redirects_of_what_is_written_are_not_followed(registry):
    image = put_image(registry)
    registry.fault(UPLOADS, redirect("/v2/elsewhere"))
    with pytest.raises(RegistryError, match="another place what it should answer itself"):
        push_to(image)


@pytest.mark.parametrize("match", [UPLOADS, "digest=", "sha256-"])
def test_failures_that_pass_are_tried_again(registry, match):
    image = put_image(registry)
    registry.fault(match, answer(503), hang_up)
    pushed = push_to(image)
    assert [item.digest for item in listed(image)] == [pushed.digest]
    uploads = [r for r in registry.requests if r.method == "PUT" and "digest=" in r.path]
    assert {request.body for request in uploads} == {ARTIFACT.data, b"{}"}


@pytest.mark.parametrize("match", [UPLOADS, "digest=", MANIFESTS])
def test_failures_that_stay_are_errors(registry, match):
    image = put_image(registry)

    def broken(exchange):
        exchange.answer(503 if exchange.command != "GET" else 404)

    registry.fault(match, broken, forever=True)
    with pytest.raises(RegistryError):
        push_to(image)


@pytest.mark.parametrize("status", [400, 404, 405, 413, 200])
def test_an_upload_that_is_rejected_is_an_error(registry, status):
    image = put_image(registry)
    registry.fault("digest=", answer(status))
    with pytest.raises(RegistryError, match=f"answered {status} for"):
        push_to(image)
    assert not [path for method, path in methods(registry) if method == "PUT" and MANIFESTS in path]


def test_an_upload_whose_answer_was_lost_counts_when_the_blob_is_there(registry):
    image = put_image(registry)

    def take_and_lose(exchange):
        registry._keep("titan/brain", "application/octet-stream", ARTIFACT.data)
        exchange.answer(404)

    registry.fault("digest=", take_and_lose)
    assert push_to(image)


def test_a_registry_that_takes_note_of_another_subject_is_an_error(registry):
    image = put_image(registry)
    wrong = answer(201, headers={"OCI-Subject": str(Digest.of(b"other"))})
    # The first request for a manifest is that for the subject.
    registry.fault(f"{MANIFESTS}sha256:", lambda exchange: exchange.answer_content(), wrong)
    with pytest.raises(RegistryError, match="took it to be about"):
        push_to(image)


def test_a_large_body_is_sent_whole(registry):
    image = put_image(registry)
    data = bytes(range(256)) * 20_000
    pushed = push_to(image, Artifact(TYPE, data, {}))
    with client_with() as client:
        assert read_artifact(client, image, pushed, len(data)) == data


def test_a_body_that_is_not_taken_is_given_up_at_the_deadline(registry):
    image = put_image(registry)
    data = bytes(30_000_000)
    stuck = Patience(deadline=0.3, connect=0.2, read=0.2, attempts=1, slowest=10**9)

    def deaf(exchange):
        registry.stopping.wait(1)
        exchange.close_connection = True

    registry.fault("digest=", deaf)
    with pytest.raises(RegistryError):
        push_to(image, Artifact(TYPE, data, {}), patience=stuck)


def test_pages_of_referrers_are_all_read():
    with FakeRegistry() as registry:
        registry.referrers = True
        image = put_image(registry)
        pushed = push_to(image)
        shown = registry._referrers("titan/brain", str(image.digest))
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": shown}
        link = f'</v2/titan/brain{REFERRERS}{image.digest}?page=2>; rel="next"'
        headers = {"Content-Type": OCI_INDEX, "Link": link}
        registry.fault(REFERRERS, answer(200, to_json(index), headers))
        push_to(image, OTHER)
        assert [item.digest for item in listed(image)].count(pushed.digest) == 2


@pytest.mark.parametrize(
    "place", ["http://other.example/x", "http://[/x", "/v2/titan/brain/referrers/again"]
)
def test_pages_elsewhere_or_without_end_are_not_followed(place):
    with FakeRegistry() as registry:
        registry.referrers = True
        image = put_image(registry)
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
        headers = {"Content-Type": OCI_INDEX, "Link": f'<{place}>; rel="next"'}
        registry.fault(REFERRERS, answer(200, to_json(index), headers), forever=True)
        with pytest.raises(RegistryError):
            listed(image)
        assert len(registry.requests) <= referrers._MAX_PAGES


@pytest.mark.parametrize(
    "fault",
    [
        answer(200, b"<html>", {"Content-Type": "text/html"}),
        answer(500),
        answer(403),
        answer(200, b"[]", {"Content-Type": OCI_INDEX}),
        answer(200, b"{", {"Content-Type": OCI_INDEX}),
    ],
)
def test_answers_that_are_no_list_of_referrers_are_errors(registry, fault):
    image = put_image(registry)
    registry.fault(REFERRERS, fault, forever=True)
    with pytest.raises(CouldNotCheckError):
        listed(image)


def test_an_artifact_of_another_form_is_not_read(registry):
    image = put_image(registry)
    pushed = push_to(image)
    with client_with() as client:
        with pytest.raises(CouldNotCheckError, match="its layer is no other"):
            read_artifact(
                client,
                image,
                Descriptor(OCI_MANIFEST, pushed.digest, pushed.size, artifact_type="other"),
                100,
            )
        with pytest.raises(VerificationError):
            read_artifact(client, image, Descriptor(OCI_MANIFEST, pushed.digest, 1), 100)
        empty = registry.push_manifest(
            "titan/brain",
            "empty",
            OCI_INDEX,
            to_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}),
        )
        index = client.manifest(parse_reference(empty)).descriptor
        with pytest.raises(CouldNotCheckError, match="no artifact of one layer"):
            read_artifact(client, image, index, 100)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "mediaType": st.just(OCI_MANIFEST) | JSON,
        "digest": st.just(str(Digest.of(b"x"))) | JSON,
        "size": st.integers(-1, 10) | JSON,
        "artifactType": st.just(TYPE) | JSON,
        "annotations": JSON,
    },
)


@pytest.fixture(scope="module")
def shared():
    with FakeRegistry() as registry:
        yield registry, put_image(registry)


@settings(max_examples=150, deadline=None)
@given(st.lists(ENTRY | JSON, max_size=3) | JSON)
def test_any_index_of_referrers_is_read_or_refused(shared, entries):
    registry, image = shared
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    tag = f"sha256-{image.digest.hex}"
    registry.push_manifest("titan/brain", tag, OCI_INDEX, json.dumps(index).encode())
    try:
        found = listed(image)
    except CouldNotCheckError:
        return
    assert all(item.artifact_type == TYPE for item in found)
