import pytest
from hypothesis import given
from hypothesis import strategies as st

from titan_provenance.errors import DocumentError
from titan_provenance.model.digest import Digest
from titan_provenance.model.reference import (
    DigestReference,
    Repository,
    TagReference,
    parse_reference,
    parse_tag,
)

DIGEST = Digest("0123456789abcdef" * 4)

REGISTRIES = st.sampled_from(
    ["docker.io", "ghcr.io", "localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000", "a.b:1"]
)
PATHS = st.from_regex(r"[a-z0-9]{1,8}(/[a-z0-9]{1,8}([._-][a-z0-9]{1,4})?){1,3}", fullmatch=True)
REPOSITORIES = st.builds(Repository, REGISTRIES, PATHS)
TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)
DIGESTS = st.binary(max_size=4).map(Digest.of)


@given(
    st.one_of(
        REPOSITORIES,
        st.builds(TagReference, REPOSITORIES, TAGS),
        st.builds(DigestReference, REPOSITORIES, DIGESTS),
    )
)
def test_what_is_written_is_read(reference):
    assert parse_reference(str(reference)) == reference


@given(st.text() | st.text(alphabet="ab/.:@_-[]sha256", max_size=40))
def test_any_text_is_a_reference_or_refused(text):
    try:
        reference = parse_reference(text)
    except DocumentError:
        return
    assert parse_reference(str(reference)) == reference


@pytest.mark.parametrize(
    ("text", "registry", "path"),
    [
        ("alpine", "docker.io", "library/alpine"),
        ("titan/brain", "docker.io", "titan/brain"),
        ("docker.io/alpine", "docker.io", "library/alpine"),
        ("index.docker.io/titan/brain", "docker.io", "titan/brain"),
        ("ghcr.io/titan/brain", "ghcr.io", "titan/brain"),
        ("localhost/brain", "localhost", "brain"),
        ("localhost:5000/brain", "localhost:5000", "brain"),
        ("registry/brain", "docker.io", "registry/brain"),
    ],
)
def test_repositories_are_understood_as_docker_does(text, registry, path):
    assert Repository.parse(text) == Repository(registry, path)


def test_a_port_is_no_tag():
    assert parse_reference("localhost:5000/brain") == Repository("localhost:5000", "brain")
    assert parse_reference("localhost:5000/brain:1") == TagReference(
        Repository("localhost:5000", "brain"), "1"
    )


def test_a_tag_before_a_digest_is_dropped():
    reference = parse_reference(f"ghcr.io/titan/brain:1.4.0@{DIGEST}")

    assert reference == DigestReference(Repository("ghcr.io", "titan/brain"), DIGEST)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "@",
        "brain:",
        "Brain",
        "brain:tag with space",
        "brain@",
        "brain@sha256:abc",
        f"@{DIGEST}",
        "ghcr.io/",
        "/brain",
        "ghcr.io//brain",
        "ghcr.io/../brain",
        "ghcr.io/titan/brain\n",
        "user:pass@ghcr.io/brain:1",
        "https://ghcr.io/titan/brain",
        "ghcr.io/titan/" + "a" * 300,
    ],
)
def test_anything_else_is_no_reference(text):
    with pytest.raises(DocumentError):
        parse_reference(text)


@pytest.mark.parametrize("text", ["", "-a", ".a", "a/b", "a:b", "a b", "é", "a" * 129, "a\n"])
def test_what_is_no_tag_is_refused(text):
    with pytest.raises(DocumentError, match="is no tag"):
        parse_tag(text)


@pytest.mark.parametrize("text", ["brain", "brain:1"])
def test_a_digest_reference_needs_a_digest(text):
    with pytest.raises(DocumentError, match="names no digest"):
        DigestReference.parse(text)
