import json

import pytest
from fakes.bills import APP, LODASH, bill_of, component, small_bill
from fakes.host import capture
from fakes.images import build_image, write_layout

from titan_provenance.cli.main import program
from titan_provenance.model.package import Package
from titan_provenance.sbom.cyclonedx import write_cyclonedx
from titan_provenance.sbom.reader import read_bill


@pytest.fixture
def bill(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bill.json").write_bytes(write_cyclonedx(small_bill()))
    return tmp_path / "bill.json"


def titan(*words):
    code, out = capture(program(), "titan-provenance", list(words))
    return code, out.decode()


@pytest.fixture
def layouts(tmp_path, monkeypatch):
    monkeypatch.setenv("TITAN_PROVENANCE_CACHE", str(tmp_path / "cache"))
    for name in ("one", "two"):
        layers = [
            {
                "etc/os-release": b"ID=alpine\nVERSION_ID=3.20.3\n",
                "lib/apk/db/installed": b"P:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\n\n",
            },
            {"app/node_modules/left-pad/package.json": PACKAGE % name.encode()},
        ]
        write_layout(tmp_path / name, {"1.4.0": build_image(layers=layers)})
    return tmp_path


PACKAGE = b'{"name": "left-pad", "version": "1.3.0-%s", "license": "WTFPL"}'


def test_bill_of_an_image_by_layer(bill, layouts):
    assert bill
    code, text = titan("sbom", "generate", "oci-dir:one", "--name", "ghcr.io/titan/one:1.4.0")
    assert code == 0
    made = read_bill(text.encode(), "made")
    assert (made.name, made.version, made.distro.id) == ("ghcr.io/titan/one", "1.4.0", "alpine")
    apk, npm = made.components
    assert (apk.package.name, apk.origin, apk.layer.number, apk.license) == (
        "musl",
        "base",
        0,
        "MIT",
    )
    assert (npm.package.name, npm.origin, npm.layer.number) == ("left-pad", "service", 1)
    assert npm.package.locations == ("app/node_modules/left-pad/package.json",)
    again = titan("sbom", "generate", "oci-dir:one", "--name", "ghcr.io/titan/one:1.4.0")
    assert again == (0, text)
    cold = titan(
        "sbom", "generate", "oci-dir:one", "--name", "ghcr.io/titan/one:1.4.0", "--no-cache"
    )
    assert cold == (0, text)
    assert layouts


def test_bills_of_several_images(bill, layouts):
    assert bill
    assert titan("sbom", "generate", "oci-dir:one", "oci-dir:two")[0] == 2
    words = ["oci-dir:one", "oci-dir:two", "oci-dir:none", "--output-dir", "."]
    assert titan("sbom", "generate", *words)[0] == 3
    assert (layouts / "one.cdx.json").exists()
    assert (layouts / "two.cdx.json").exists()
    code, text = titan("sbom", "diff", "one.cdx.json", "two.cdx.json")
    assert code == 0
    assert "left-pad" in text


def test_check_says_score_and_missing_fields(bill):
    code, text = titan("sbom", "check", str(bill))
    assert code == 0
    assert text.splitlines()[0].split() == ["ntia", "89.5", "incomplete"]
    assert "  missing: supplier name in 2 of 4 components: pkg:golang/" in text
    assert titan("sbom", "check", str(bill), "--profile", "ntia", "--fail-under", "90")[0] == 1
    assert titan("sbom", "check", str(bill), "--profile", "ntia", "--fail-under", "80")[0] == 0
    document = json.loads(titan("sbom", "check", str(bill), "--format", "json")[1])
    assert [item["profile"] for item in document["profiles"]] == [
        "ntia",
        "cisa-2025",
        "bsi-tr-03183-2",
    ]


@pytest.mark.parametrize("form", ["cyclonedx-json", "cyclonedx-xml", "spdx-json"])
def test_convert_and_back_keeps_packages_and_edges(bill, form):
    code, text = titan("sbom", "convert", str(bill), "--format", form)
    assert code == 0
    again = read_bill(text.encode(), "again")
    assert [item.ref for item in again.components] == [item.ref for item in small_bill().components]
    assert again.dependencies == small_bill().dependencies
    assert titan("sbom", "convert", str(bill), "--format", form) == (0, text)


def test_table_for_people(bill):
    code, text = titan("sbom", "convert", str(bill), "--format", "table")
    assert code == 0
    assert text.splitlines()[0].startswith(
        "registry.example/titan/brain:1.4.0 (linux/amd64), alpine"
    )
    assert "total      4         1          3" in text
    assert "licences: not declared 2, LicenseRef-WTFPL-ish OR MIT 1, MIT 1" in text
    assert "partial: node: app/broken/package.json: not JSON" in text


def test_difference_as_markdown_and_json(bill, tmp_path):
    newer = [component(Package("npm", "lodash", "4.17.21")), component(Package("npm", "a|b", "1"))]
    kept = [item for item in small_bill().components if item.ref != LODASH.ref]
    other = tmp_path / "after.json"
    other.write_bytes(write_cyclonedx(bill_of([*kept, *newer], version="1.5.0")))
    code, text = titan("sbom", "diff", str(bill), str(other))
    assert code == 0
    assert text.startswith(
        "### registry.example/titan/brain:1.4.0 → registry.example/titan/brain:1.5.0"
    )
    assert "1 upgraded, 1 added." in text
    assert f"| lodash | npm | 4.17.20 | 4.17.21 | upgraded | 1: {APP.created_by[:10]}" in text
    assert "| a\\|b | npm |" in text
    document = json.loads(titan("sbom", "diff", str(bill), str(other), "--format", "json")[1])
    assert [change["what"] for change in document["changes"]] == ["added", "upgraded"]
    assert "No package differs." in titan("sbom", "diff", str(bill), str(bill))[1]


def test_what_is_no_bill(tmp_path, bill):
    assert bill
    (tmp_path / "x").write_text("{}")
    assert titan("sbom", "check", str(tmp_path / "x"))[0] == 2
    assert titan("sbom", "diff", str(tmp_path / "no"), str(tmp_path / "x"))[0] == 3
