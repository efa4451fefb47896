import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titan_provenance.errors import DocumentError
from titan_provenance.model.digest import Digest


@given(st.binary())
def test_the_digest_of_bytes_is_their_sha256(data):
    assert str(Digest.of(data)) == "sha256:" + hashlib.sha256(data).hexdigest()


@given(st.text(alphabet="0123456789abcdef", min_size=64, max_size=64))
def test_what_is_written_is_read(digits):
    digest = Digest.parse_hex(digits)

    assert Digest.parse(str(digest)) == digest == Digest(digits)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256:",
        "sha256:" + "a" * 63,
        "sha256:" + "a" * 65,
        "sha256:" + "A" * 64,
        "sha256:" + "g" * 64,
        "sha256:" + "٣" * 64,
        "sha256:" + "a" * 64 + "\n",
        " sha256:" + "a" * 63,
        "sha512:" + "a" * 64,
        "SHA256:" + "a" * 64,
        "a" * 64,
        "a" * 71,
    ],
)
def test_anything_else_is_no_digest(text):
    with pytest.raises(DocumentError, match="is no digest"):
        Digest.parse(text)


@given(st.text() | st.text(alphabet="sha256:0f", min_size=60, max_size=80))
def test_any_text_is_a_digest_in_one_form_only_or_refused(text):
    try:
        digest = Digest.parse(text)
    except DocumentError:
        return
    assert str(digest) == text


def test_digests_are_sorted_by_their_digits():
    assert sorted([Digest("b" * 64), Digest("a" * 64)]) == [Digest("a" * 64), Digest("b" * 64)]
