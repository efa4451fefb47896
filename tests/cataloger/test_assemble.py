"""Joining what the files of an image say: additions, the distribution, ownership, edges."""

import pytest

from titan_provenance.cataloger.assemble import assemble
from titan_provenance.cataloger.interface import Addition, Distro, Found
from titan_provenance.model.package import Package

DEBIAN = Found(distro=Distro("debian", "12"))


def found(*packages, **more):
    return Found(packages=packages, **more)


def npm(path, *depends, name=None, version="1"):
    name = name or path.rpartition("/")[2]
    location = f"{path}/package.json" if path else "package.json"
    return {location: found(Package("npm", name, version, locations=(location,), depends=depends))}


def pypi(path, name, *depends):
    return {path: found(Package("pypi", name, "1", locations=(path,), depends=depends))}


def edges(founds, **options):
    inventory = assemble(founds, **options)
    return {
        (inventory.packages[one].name, inventory.packages[other].name)
        for one, other in inventory.edges
    }


def purls(founds):
    return [package.purl for package in assemble(founds).packages]


def test_packages_of_the_system_bear_its_name():
    package = Package("deb", "bash", "5", qualifiers=(("arch", "amd64"),), locations=("s",))
    assert purls({"etc/os-release": DEBIAN, "s": found(package)}) == [
        "pkg:deb/debian/bash@5?arch=amd64&distro=debian-12"
    ]
    assert purls({"s": found(package)}) == ["pkg:deb/debian/bash@5?arch=amd64"]


def test_the_system_is_what_etc_says():
    wolfi = Found(distro=Distro("wolfi"))
    inventory = assemble({"usr/lib/os-release": DEBIAN, "etc/os-release": wolfi})
    assert inventory.distro == Distro("wolfi")
    assert assemble({}).distro is None


def test_other_files_add_to_a_package():
    package = Package("deb", "libgcc-s1", "12", qualifiers=(("arch", "amd64"),), locations=("s",))
    more = Found(
        additions=(
            Addition("deb", "libgcc-s1:amd64", files="usr/lib/libgcc_s.so.1"),
            Addition("deb", "gcc-12-base", licenses=("GPL-3",)),
            Addition("deb", "libgcc-s1", version="11", licenses=("other version",)),
            Addition("npm", "libgcc-s1", licenses=("other type",)),
        )
    )
    # Debian links the documentation of packages of one source.
    links = {"usr/share/doc/libgcc-s1/copyright": "usr/share/doc/gcc-12-base/copyright"}
    founds = {"s": found(package), "f": more}
    joined = assemble(founds, resolve=lambda path: links.get(path, path)).packages[0]
    assert joined.files == "usr/lib/libgcc_s.so.1"
    assert joined.licenses == ("GPL-3",)


def test_locks_and_metadata_add_by_directory():
    founds = npm("app/node_modules/a") | pypi("x.dist-info/METADATA", "x")
    founds["lock"] = Found(
        additions=(
            Addition("npm", "app/node_modules/a", version="1", hashes=(("SHA-1", "00"),)),
            Addition("pypi", "x.dist-info", qualifiers=(("vcs_url", "u"),), depends=("y",)),
        )
    )
    one, other = assemble(founds).packages
    assert one.hashes == (("SHA-1", "00"),)
    assert other.qualifiers == (("vcs_url", "u"),)
    assert other.depends == ("y",)


def test_a_package_at_two_places_is_one():
    founds = npm("app/node_modules/a") | npm("app/node_modules/b/node_modules/a")
    inventory = assemble(founds)
    assert len(inventory.packages) == 1
    assert inventory.packages[0].locations == (
        "app/node_modules/a/package.json",
        "app/node_modules/b/node_modules/a/package.json",
    )


def owner(kind, supplier, *files):
    package = Package(kind, "owner", "1", locations=("db",), supplier=supplier)
    return {"db": found(package._replace(files="\n".join(files)))}


@pytest.mark.parametrize(
    ("kind", "supplier", "path", "kept"),
    [
        ("deb", "T <team+python@tracker.debian.org>", "usr/lib/x/METADATA", False),
        ("deb", "U <ubuntu-devel-discuss@lists.ubuntu.com>", "opt/x/METADATA", False),
        # A Debian maintainer with an address of their own.
        ("deb", "J <j@example.org>", "usr/lib/python3/dist-packages/x/METADATA", False),
        ("deb", "Vendor <support@vendor.example>", "opt/vendor/lib/x/METADATA", True),
        ("deb", "Vendor <x@debian.org.vendor.example>", "opt/vendor/lib/x/METADATA", True),
        ("apk", "Whoever", "usr/lib/x/METADATA", False),
        ("rpm", "Red Hat, Inc.", "usr/lib/x/METADATA", False),
        ("rpm", "Vendor", "opt/vendor/x/METADATA", True),
    ],
)
def test_what_the_distribution_maintains_is_said_once(kind, supplier, path, kept):
    founds = pypi(path, "PyYAML") | owner(kind, supplier, "other", path)
    assert len(assemble(founds).packages) == 1 + kept


def test_owned_paths_may_be_older_than_the_merged_usr():
    program = {"usr/bin/bash": found(Package("generic", "bash", "5", locations=("usr/bin/bash",)))}
    assert len(assemble(program | owner("deb", "Vendor", "bin/bash")).packages) == 1
    assert len(assemble(program | owner("deb", "Vendor", "bin/other")).packages) == 2


def test_system_packages_need_names_provided_names_and_paths():
    packages = [
        Package("apk", "busybox", "1", locations=("d",), depends=("so:libc", "gone", "self")),
        Package("apk", "musl", "1", locations=("d",), provides=("so:libc",)),
        Package("apk", "self", "1", locations=("d",), depends=("self",)),
    ]
    assert edges({"d": found(*packages)}) == {("busybox", "musl"), ("busybox", "self")}


def test_of_alternatives_the_first_that_is_there_counts():
    packages = [
        Package("deb", "apt", "1", locations=("d",), depends=("gone|gpgv2|gpgv", "virtual")),
        Package("deb", "gpgv", "1", locations=("d",)),
        Package("deb", "gpgv2", "1", locations=("d",), provides=("virtual",)),
    ]
    assert edges({"d": found(*packages)}) == {("apt", "gpgv2")}


def test_rpm_needs_files():
    packages = [
        Package("rpm", "a", "1", locations=("d",), depends=("/usr/bin/sh", "/usr/bin/gone")),
        Package("rpm", "bash", "1", locations=("d",), files="usr/bin/bash\nusr/bin/sh"),
    ]
    assert edges({"d": found(*packages)}) == {("a", "bash")}


def test_a_name_that_all_provide_does_not_need_all():
    packages = [
        Package("apk", f"p{n}", "1", locations=("d",), depends=("x",), provides=("x",))
        for n in range(100)
    ]
    assert len(assemble({"d": found(*packages)}).edges) < 1000


def test_node_looks_upwards():
    founds = (
        npm("app", "a", "@s/b", name="app")
        | npm("app/node_modules/a", "c", "missing")
        | npm("app/node_modules/a/node_modules/c", "@s/b", version="2")
        | npm("app/node_modules/c", version="1")
        | npm("app/node_modules/@s/b")
        | npm("other/node_modules/missing")
    )
    inventory = assemble(founds)
    pairs = {
        (inventory.packages[one].purl[8:], inventory.packages[other].purl[8:])
        for one, other in inventory.edges
    }
    assert pairs == {("app@1", "a@1"), ("app@1", "b@1"), ("a@1", "c@2"), ("c@2", "b@1")}


def test_node_follows_the_links_of_pnpm():
    store = "app/node_modules/.pnpm"
    founds = npm(f"{store}/a@1/node_modules/a", "b") | npm(f"{store}/b@1/node_modules/b")
    links = {f"{store}/a@1/node_modules/b": f"{store}/b@1/node_modules/b"}
    assert edges(founds, resolve=lambda path: links.get(path, path)) == {("a", "b")}


def test_an_application_at_the_root_of_the_image_needs_its_packages():
    assert edges(npm("", "a", name="app") | npm("node_modules/a")) == {("app", "a")}


def test_python_prefers_its_own_environment():
    founds = (
        pypi("venv/a.dist-info/METADATA", "A", "b-c", "up")
        | pypi("venv/b.dist-info/METADATA", "b_c")
        | pypi("usr/b.dist-info/METADATA", "B.C")
        | pypi("usr/up.dist-info/METADATA", "up")
        | pypi("usr/x/_vendor/up.dist-info/METADATA", "UP")
    )
    inventory = assemble(founds)
    places = {
        (inventory.packages[one].locations[0], inventory.packages[other].locations[0])
        for one, other in inventory.edges
    }
    assert ("venv/a.dist-info/METADATA", "venv/b.dist-info/METADATA") in places
    assert ("venv/a.dist-info/METADATA", "usr/up.dist-info/METADATA") in places
    assert len(places) == 2


def test_modules_of_one_program_are_its_own():
    def program(path):
        main = Package("golang", "main", "v1", "x", locations=(path,), depends=("x/dep@v1",))
        return {path: found(main, Package("golang", "dep", "v1", "x", locations=(path,)))}

    assert edges(program("a") | program("b")) == {("main", "dep")}
    assert edges({"a": found(program("a")["a"].packages[0])}) == set()


def test_gems_and_composer_packages_need_names():
    gems = {
        "s/a": found(Package("gem", "rails", "7", locations=("s/a",), depends=("rack",))),
        "s/b": found(Package("gem", "rack", "3", locations=("s/b",))),
    }
    packages = [
        Package("composer", "a", "1", "V", locations=("i",), depends=("v/b", "psr/x")),
        Package("composer", "b", "1", "v", locations=("i",), provides=("psr/x",)),
    ]
    assert edges(gems | {"i": found(*packages)}) == {("rails", "rack"), ("a", "b")}
