"""Ruby, PHP, .NET and Java runtimes."""

import json

import pytest
from cataloger.samples import COMPOSER, DOTNET, GEMSPEC, JDK_RELEASE

from titan_provenance.cataloger import composer, dotnet, gem, jdk_release
from titan_provenance.cataloger.interface import Found, ParseError
from titan_provenance.model.package import Package


def test_a_gem():
    path = "usr/lib/ruby/gems/3.1.0/specifications/nokogiri-1.15.4.gemspec"
    assert gem.parse(path, GEMSPEC).packages == (
        Package(
            type="gem",
            name="nokogiri",
            version="1.15.4",
            qualifiers=(("platform", "x86_64-linux"),),
            locations=(path,),
            cataloger="gem",
            licenses=("MIT",),
            author="Mike Dalessio, Aaron Patterson",
            homepage="https://nokogiri.org",
            description='Reads \\"XML\\" and HTML',
            depends=("racc",),
        ),
    )


def test_old_gemspecs_wrap_the_version():
    data = b"s.name = %q{x}\ns.name = %q<a>\ns.version = Gem::Version.new('1.0')\ns.license = 'MIT'"
    with pytest.raises(ParseError):
        gem.parse("f", b"s.version = '1'")
    package = gem.parse("f", data.replace(b"s.name = %q{x}\n", b"")).packages[0]
    assert (package.name, package.version, package.licenses) == ("a", "1.0", ("MIT",))


def test_gemspecs_that_compute_are_not_executed():
    with pytest.raises(ParseError, match="states no name and version"):
        gem.parse("f", b"s.name = File.read('x')\ns.version = `id`\n")


def test_composer():
    found = composer.parse("app/vendor/composer/installed.json", COMPOSER)
    assert found.packages[0] == Package(
        type="composer",
        namespace="Monolog",
        name="monolog",
        version="3.5.0",
        locations=("app/vendor/composer/installed.json",),
        cataloger="composer",
        licenses=("MIT",),
        author="Jordi Boggiano",
        homepage="https://example.com",
        description="Sends logs",
        hashes=(("SHA-1", "a" * 40),),
        depends=("php", "psr/log"),
        provides=("psr/log-implementation",),
    )
    assert found.packages[0].purl == "pkg:composer/monolog/monolog@3.5.0"
    assert found.packages[1].licenses == ("MIT",)
    assert found.status == "partial"


def test_composer_1_wrote_a_list():
    data = json.dumps([{"name": "a/b", "version": "v1.0"}]).encode()
    assert composer.parse("f", data).packages[0].purl == "pkg:composer/a/b@v1.0"
    for entry in ({"name": "a/", "version": "1"}, {"name": "a b", "version": "1"}, 5):
        assert composer.parse("f", json.dumps([entry]).encode()).problems
    with pytest.raises(ParseError, match="no list of packages"):
        composer.parse("f", b'{"packages": {}}')


def test_dotnet():
    found = dotnet.parse("app/App.deps.json", DOTNET)
    assert [(package.purl, package.kind) for package in found.packages] == [
        ("pkg:nuget/App@1.0.0", "application"),
        ("pkg:nuget/Newtonsoft.Json@13.0.3", "library"),
        ("pkg:nuget/Microsoft.NETCore.App.Runtime.linux-x64@8.0.1", "library"),
    ]
    assert found.packages[0].depends == ("Newtonsoft.Json@13.0.3",)
    assert found.packages[1].hashes == (("SHA-512", "00" * 64),)
    assert found.problems == ("app/App.deps.json: a library without name or version",)
    with pytest.raises(ParseError, match="has no libraries"):
        dotnet.parse("f", b"{}")


def test_a_java_runtime():
    found = jdk_release.parse("opt/java/release", JDK_RELEASE)
    assert found.packages[0].purl == "pkg:generic/openjdk@21.0.2"
    assert found.packages[0].supplier == "Eclipse Adoptium"
    graal = b'GRAALVM_VERSION="24"\nJAVA_VERSION="21"\nIMPLEMENTOR="N/A"'
    assert jdk_release.parse("f", graal).packages[0].name == "graalvm"
    assert jdk_release.parse("f", b"Debian 12") == Found()
