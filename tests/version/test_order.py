import os
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titan_provenance.errors import DocumentError, UsageError
from titan_provenance.version import MAX_LENGTH, VersionError, compare, is_known, key, order

ORDERS = [
    "Alpine",
    "CRAN",
    "Debian",
    "Go",
    "Hackage",
    "Maven",
    "NuGet",
    "Packagist",
    "Pub",
    "PyPI",
    "Red Hat",
    "RubyGems",
    "npm",
]

# Short texts of the signs and words that mean something somewhere: most comparisons then turn on
# the end of one of the two, on a separator or on a zero.
PIECES = st.sampled_from(
    [*"00112.....---_~^+: abprvxA#", "10", "05", "alpha", "beta", "rc", "sp", "dev", "_p", "-r"]
)
VERSIONS = st.lists(PIECES, max_size=8).map("".join)


def key_or_none(ecosystem, version):
    try:
        return key(ecosystem, version)
    except VersionError:
        return None


@pytest.mark.parametrize("ecosystem", ORDERS)
@given(st.lists(VERSIONS, min_size=3, max_size=3))
def test_the_order_is_total(ecosystem, versions):
    readable = [version for version in versions if key_or_none(ecosystem, version) is not None]
    for a in readable:
        assert compare(ecosystem, a, a) == 0
        for b in readable:
            sign = compare(ecosystem, a, b)
            assert compare(ecosystem, b, a) == -sign
            for c in readable:
                if sign <= 0 and compare(ecosystem, b, c) <= 0:
                    assert compare(ecosystem, a, c) == min(sign, compare(ecosystem, b, c))


@pytest.mark.parametrize("ecosystem", ORDERS)
@given(VERSIONS, VERSIONS)
def test_keys_compare_as_versions_do(ecosystem, a, b):
    left, right = key_or_none(ecosystem, a), key_or_none(ecosystem, b)
    if left is None or right is None:
        with pytest.raises(VersionError):
            compare(ecosystem, a, b)
        return
    sign = compare(ecosystem, a, b)
    assert (left < right, left == right, left > right) == (sign < 0, sign == 0, sign > 0)


@pytest.mark.parametrize("ecosystem", ORDERS)
@given(st.text(), st.text(max_size=4))
def test_any_text_has_a_place_or_is_no_version(ecosystem, a, b):
    for text in (a, b, f"1{b}", f"1.0{a}"):
        try:
            assert compare(ecosystem, text, "1.0") in {-1, 0, 1}
        except VersionError:
            assert key_or_none(ecosystem, text) is None


@pytest.mark.parametrize("ecosystem", ORDERS)
@pytest.mark.parametrize(
    "piece", ["1", "a", "1a", ".", "1.", "-", "-1", "~", "_p", "1!", "0", "\uff11"]
)
def test_long_versions_take_no_time(ecosystem, piece):
    version = (piece * MAX_LENGTH)[: MAX_LENGTH - 2]
    started = time.process_time()
    for text in (version, "1" + version, version + "!"):
        key_or_none(ecosystem, text)

    assert time.process_time() - started < 5


@pytest.mark.parametrize("ecosystem", ORDERS)
def test_a_version_of_a_megabyte_is_none(ecosystem):
    with pytest.raises(VersionError, match="1048576 characters") as caught:
        key(ecosystem, "1" * 2**20)

    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("Debian:12", "deb"),
        ("Ubuntu:22.04:LTS", "deb"),
        ("Alpine:v3.20", "apk"),
        ("Wolfi", "apk"),
        ("Chainguard", "apk"),
        ("Red Hat:enterprise_linux:9::baseos", "rpm"),
        ("PyPI", "pypi"),
        ("Go", "golang"),
        ("crates.io", "cargo"),
        ("Maven:https://repo.example/m2", "maven"),
        ("RubyGems", "gem"),
        ("Packagist", "composer"),
        ("NuGet", "nuget"),
        ("npm", "cargo"),
    ],
)
def test_names_of_osv_and_types_of_purls_lead_to_the_same_order(name, same):
    assert is_known(name)
    assert order(name) is order(same)


@pytest.mark.parametrize("name", ["", "debian", "Slackware", "oci", ":12", "Debian 12"])
def test_an_unknown_ecosystem_is_an_error(name):
    assert not is_known(name)
    with pytest.raises(UsageError, match="nothing is known"):
        compare(name, "1", "2")


def test_what_is_no_version_is_an_error_in_a_document():
    assert issubclass(VersionError, DocumentError)
    assert VersionError.exit_code == 2


def test_a_key_that_was_seen_is_remembered():
    assert key("npm", "1.2.3") is key("npm", "1.2.3")


def test_the_package_loads_only_the_orders_that_are_asked_for():
    code = """
import sys
from titan_provenance.version import compare
compare("Debian:12", "1", "2")
print(*sorted(name for name in sys.modules if "version." in name or name == "packaging"))
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONNOUSERSITE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == [
        "titan_provenance.version.debian",
        "titan_provenance.version.errors",
    ]
