import re

import pytest
from cataloger.samples import FILES

from titan_provenance.cataloger.select import CATALOGER_SET, CATALOGERS, select


@pytest.mark.parametrize("name", FILES)
def test_each_sample_is_read_by_its_cataloger(name):
    assert select(FILES[name][0]).name == name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("usr/lib/os-release", "os-release"),
        ("usr/lib/apk/db/installed", "apk"),
        # /var/lib/dpkg may be a link; then the files lie elsewhere.
        ("usr/share/dpkg/status", "dpkg"),
        ("package.json", "npm"),
        ("app/package.json", "npm"),
        ("app/node_modules/.pnpm/a@1/node_modules/a/package.json", "npm"),
        ("app/node_modules/.package-lock.json", "npm-lock"),
        ("usr/lib/python2.7/argparse.egg-info", "python"),
        ("a/x-1.egg/EGG-INFO/PKG-INFO", "python"),
        ("a/specifications/default/json-2.6.gemspec", "gem"),
        ("usr/share/rpm/rpmdb.sqlite", "rpm"),
        ("a.war", "java"),
    ],
)
def test_other_places_of_a_format_are_known(path, name):
    assert select(path).name == name


@pytest.mark.parametrize(
    "path",
    [
        "app/node_modules/x/dist/esm/package.json",
        "app/node_modules/x/test/fixtures/y/package.json",
        "app/node_modules/x/package-lock.json",
        "a/pip-24.dist-info/sboms/bom.json",
        "a/pip/_vendor/distlib/t64.exe",
        "var/lib/dpkg/status-old",
        "var/lib/dpkg/info/libc6.md5sums",
        "gems/x-1/x.gemspec",
        "home/rpm/Packages",
        "xpackage.json",
        "etc/os-release/x",
        "lib/apk/db/installed\n",
        "",
    ],
)
def test_what_only_looks_alike_is_not_read(path):
    assert select(path) is None


def test_each_path_is_read_by_one_cataloger_only():
    for path, _ in FILES.values():
        assert sum(bool(re.fullmatch(each.pattern, path)) for each in CATALOGERS) == 1


def test_patterns_can_be_joined():
    assert all(not re.compile(cataloger.pattern).groups for cataloger in CATALOGERS)
    assert all(len(ending) >= 4 for cataloger in CATALOGERS for ending in cataloger.endings)


def test_endings_let_pass_what_patterns_match():
    for cataloger in CATALOGERS:
        path = FILES[cataloger.name][0]
        assert path.endswith(cataloger.endings) or cataloger.within in path
        assert cataloger.endings or cataloger.within


def test_the_set_names_every_cataloger_and_version():
    names = [cataloger.name for cataloger in CATALOGERS]
    assert len(set(names)) == len(names)
    assert all(f"{each.name}/{each.version}" in CATALOGER_SET for each in CATALOGERS)
    assert "executable/" in CATALOGER_SET
