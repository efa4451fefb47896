import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from titan_provenance.errors import DocumentError
from titan_provenance.model.package import Package, build_purl, normalize_pypi

WORDS = st.text(
    st.characters(exclude_categories=("Z", "C"), exclude_characters="/"), min_size=1, max_size=12
)


@pytest.mark.parametrize(
    ("parts", "purl"),
    [
        (("npm", "@Types", "node", "20.1.0", ()), "pkg:npm/%40Types/node@20.1.0"),
        (("pypi", "", "Ruamel_yaml.Clib", "1", ()), "pkg:pypi/ruamel-yaml.clib@1"),
        (
            ("deb", "Debian", "libstdc++6", "1:1~2+b1", (("arch", "amd64"), ("distro", "x"))),
            "pkg:deb/debian/libstdc%2B%2B6@1:1~2%2Bb1?arch=amd64&distro=x",
        ),
        (
            ("golang", "github.com/Masterminds/", "semver", "v3", ()),
            "pkg:golang/github.com/Masterminds/semver@v3",
        ),
        (("golang", "", "stdlib", "1.22", ()), "pkg:golang/stdlib@1.22"),
        (("maven", "a.b", "c", "1", (("type", ""),)), "pkg:maven/a.b/c@1"),
        (("generic", "", "a/b", "", ()), "pkg:generic/a%2Fb"),
    ],
)
def test_purls_are_canonical(parts, purl):
    assert build_purl(*parts) == purl


@given(
    st.sampled_from(["deb", "apk", "rpm", "golang", "pypi", "cargo", "maven", "gem", "composer"]),
    st.from_regex(r"[A-Za-z0-9._~-]{1,9}", fullmatch=True),
    WORDS,
    st.dictionaries(st.from_regex(r"[a-z][a-z0-9_.-]{0,8}", fullmatch=True), WORDS, max_size=3),
)
def test_purls_are_those_of_the_reference_implementation(kind, name, version, qualifiers):
    # Names that need no percent-encoding: the reference folds the case of the encoded text for
    # some types, `%5B` to `%5b`. It does not fold names of deb and composer as the types define.
    namespace = "" if kind in {"pypi", "cargo", "gem"} else "team"
    name = name.lower() if kind in {"deb", "composer"} else name
    ours = build_purl(kind, namespace, name, version, tuple(qualifiers.items()))
    assert ours == str(PackageURL(kind, namespace, name, version, qualifiers))
    assert PackageURL.from_string(ours).to_string() == ours


@pytest.mark.parametrize("name", ["Flask-SQLAlchemy", "flask_sqlalchemy", "flask.-_sqlalchemy"])
def test_one_project_has_one_name(name):
    assert normalize_pypi(name) == "flask-sqlalchemy"


TEXTS = st.lists(st.text(max_size=5), max_size=3).map(tuple)
PAIRS = st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=2).map(tuple)


@given(
    st.builds(
        Package,
        type=st.text(max_size=5),
        name=st.text(max_size=5),
        version=st.text(max_size=5),
        qualifiers=PAIRS,
        locations=TEXTS,
        confidence=st.floats(0, 1),
        files=st.text(max_size=9),
        hashes=PAIRS,
        depends=TEXTS,
    )
)
def test_a_package_comes_back_from_json(package):
    assert Package.from_json(json.loads(json.dumps(package.to_json()))) == package


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"type": "deb"},
        {"type": "deb", "name": 1},
        {"type": "deb", "name": "a", "unknown": ""},
        {"type": "deb", "name": "a", "confidence": True},
        {"type": "deb", "name": "a", "confidence": "1"},
        {"type": "deb", "name": "a", "licenses": "MIT"},
        {"type": "deb", "name": "a", "licenses": [1]},
        {"type": "deb", "name": "a", "hashes": [["SHA-1"]]},
        {"type": "deb", "name": "a", "hashes": {}},
    ],
)
def test_what_is_no_package_is_refused(value):
    with pytest.raises(DocumentError):
        Package.from_json(value)
