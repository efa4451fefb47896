from fakes.bills import APP, BASE, bill_of, component

from titan_provenance.model.package import Package
from titan_provenance.sbom.diff import PackageChange, compare, is_newer


def npm(name, version, layer=APP):
    return component(Package("npm", name, version), layer)


def newer(kind, a, b):
    assert kind == "npm"
    return None if "x" in a + b else a > b


def test_every_kind_of_change():
    before = bill_of(
        [npm("a", "1"), npm("b", "2"), npm("c", "3"), npm("d", "4", BASE), npm("e", "x")]
    )
    after = bill_of([npm("a", "2"), npm("b", "1"), npm("c", "3"), npm("f", "1"), npm("e", "y")])
    assert compare(before, after, newer) == [
        PackageChange("upgraded", "npm", "a", "1", "2", APP),
        PackageChange("downgraded", "npm", "b", "2", "1", APP),
        PackageChange("removed", "npm", "d", "4", "", BASE),
        PackageChange("changed", "npm", "e", "x", "y", APP),
        PackageChange("added", "npm", "f", "", "1", APP),
    ]
    assert compare(before, before, newer) == []


def test_several_versions_of_one_package():
    before = bill_of([npm("a", "1"), npm("a", "2")])
    after = bill_of([npm("a", "2"), npm("a", "3"), npm("a", "4")])
    assert [(c.what, c.before, c.after) for c in compare(before, after, newer)] == [
        ("upgraded", "1", "3"),
        ("added", "", "4"),
    ]


def test_without_an_order_a_change_is_a_change():
    changes = compare(bill_of([npm("a", "1")]), bill_of([npm("a", "2")]))
    assert [change.what for change in changes] == ["changed"]


def test_order_of_each_ecosystem():
    assert is_newer("npm", "1.10.0", "1.9.0") is True
    assert is_newer("deb", "1.0~rc1", "1.0") is False
    assert is_newer("generic", "2", "1") is None
    assert is_newer("npm", "latest", "1.0.0") is None
