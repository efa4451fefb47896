import pytest
from fakes.layers import CATALOGERS, ELF, HARD_LINK, LIMIT, SYMLINK, image_of, layer_of

from titan_provenance.errors import CouldNotCheckError, VerificationError
from titan_provenance.image.inflate import Limits
from titan_provenance.model.digest import Digest
from titan_provenance.sbom import layer_scan
from titan_provenance.sbom.cache import LayerCache
from titan_provenance.sbom.layer_scan import CatalogerStatus, scan_layer
from titan_provenance.sbom.scan import Origin, scan_images


def scanned(*layers, **options):
    (scan,) = scan_images([image_of(*layers)], CATALOGERS, **options)
    if isinstance(scan, Exception):
        raise scan
    return scan


def packages(scan):
    return {
        f"{package.name}@{package.version}": package.locations
        for package in scan.inventory.packages
    }


def statuses(layer):
    return scan_layer([layer], "layer", CATALOGERS).statuses()


def test_packages_of_all_layers_with_their_places():
    scan = scanned(layer_of({"a.lines": b"one 1\ntwo 2"}), layer_of({"d/b.lines": b"three 3"}))
    assert packages(scan) == {
        "one@1": ("a.lines",),
        "two@2": ("a.lines",),
        "three@3": ("d/b.lines",),
    }
    assert scan.origins == (Origin(0, 0), Origin(1, 1), Origin(0, 0))


def test_a_database_that_is_written_anew_has_packages_of_lower_layers():
    scan = scanned(
        layer_of({"x": b""}),
        layer_of({"db.lines": b"one 1\nold 1\nup 1"}),
        layer_of({"db.lines": b"one 1\nup 2\nnew 1"}),
    )
    origins = dict(zip(packages(scan), scan.origins, strict=True))
    assert origins == {"one@1": Origin(2, 1), "up@2": Origin(2, 2), "new@1": Origin(2, 2)}
    assert [(item.package.name, item.package.version) for item in scan.removed] == [
        ("old", "1"),
        ("up", "1"),
    ]


def test_a_deleted_package_is_gone_and_known_with_the_layer_that_had_it_first():
    scan = scanned(
        layer_of({"a.lines": b"one 1"}),
        layer_of({"a.lines": b"one 1", "b.lines": b"two 2"}),
        layer_of({".wh.a.lines": b""}),
    )
    assert packages(scan) == {"two@2": ("b.lines",)}
    (removed,) = scan.removed
    assert (removed.package.name, removed.first, removed.removed_by) == ("one", 0, 2)


def test_what_is_there_at_another_place_is_not_removed():
    scan = scanned(
        layer_of({"a.lines": b"one 1", "b.lines": b"one 1"}), layer_of({".wh.a.lines": b""})
    )
    assert packages(scan) == {"one@1": ("b.lines",)}
    assert scan.removed == ()


def test_hard_links_are_places_of_their_own():
    first = layer_of({"a.lines": b"one 1", "b.lines": (HARD_LINK, "a.lines")})
    assert packages(scanned(first)) == {"one@1": ("a.lines", "b.lines")}
    scan = scanned(first, layer_of({".wh.a.lines": b""}))
    assert packages(scan) == {"one@1": ("b.lines",)}
    assert scan.origins == (Origin(0, 0),)


SHARED = layer_of({"base.lines": b"base 1"})
OWN = [layer_of({f"{name}.lines": name.encode() + b" 1"}) for name in ("one", "two")]
STORE = layer_of(
    {
        "store/ab12": b"one 1",
        "store/cd34": b"not wanted",
        "usr/a.lines": (HARD_LINK, "store/ab12"),
        "usr/b.lines": (HARD_LINK, "./store/ab12"),
        "usr/c.text": (HARD_LINK, "store/cd34"),
        "usr/d.lines": (HARD_LINK, "nowhere"),
    }
)


@pytest.mark.parametrize("export", [False, True])
def test_content_that_stands_under_another_name_first_is_read_for_its_links(export, tmp_path):
    cache = LayerCache(tmp_path, CATALOGERS.version)
    for _ in range(2):
        images = [image_of(SHARED, STORE, export=export)]
        (scan,) = scan_images(images, CATALOGERS, cache=cache)
        assert packages(scan) == {
            "base@1": ("base.lines",),
            "one@1": ("usr/a.lines", "usr/b.lines"),
        }


def test_content_without_the_links_that_it_was_read_for():
    assert packages(scanned(STORE, layer_of({"usr/.wh.a.lines": b""}))) == {
        "one@1": ("usr/b.lines",)
    }
    assert packages(scanned(STORE, layer_of({".wh.usr": b""}))) == {}


def test_files_behind_a_linked_directory_are_found_once():
    first = layer_of({"var/db": (SYMLINK, "../usr/db"), "usr/db/a.lines": b"one 1"})
    scan = scanned(first, layer_of({"var/db/a.lines": b"one 2"}))
    assert packages(scan) == {"one@2": ("usr/db/a.lines",)}


def test_programs_are_fed_to_a_scanner_whole():
    program = ELF + bytes(3 << 20)
    scan = scanned(layer_of({"bin/tool": program, "bin/script": b"#!/bin/sh" + bytes(600)}))
    assert packages(scan) == {f"tool@{len(program)}": ("bin/tool",)}


@pytest.mark.parametrize("content", [b"", b"\x7fELF", ELF.replace(b"E", b"F")])
def test_what_is_no_program(content):
    assert packages(scanned(layer_of({"bin/tool": content}))) == {}


def test_programs_that_may_not_be_executed_and_those_with_nothing_to_say_leave_no_trace():
    assert statuses(layer_of({"tool": ELF}, executable=False)) == ()
    assert statuses(layer_of({"nothing": ELF})) == ()


def test_a_status_for_each_cataloger_that_had_something_to_read():
    layer = layer_of(
        {
            "a.lines": b"one 1",
            "b.lines": b"?\ntwo 2",
            "c.lines": b"!",
            "d.lines": b"#",
            "e.lines": bytes(LIMIT + 1),
            "f.others": b"!",
            "bin/fault": ELF + b"FAULT",
            "bin/error": ELF + b"ERROR",
            "bin/fine": ELF,
        }
    )
    executable, lines, others = statuses(layer)
    assert lines == CatalogerStatus(
        "lines",
        "partial",
        5,
        (
            "b.lines: a line is no package",
            "c.lines: cannot be read",
            "d.lines: internal error: ZeroDivisionError",
            "e.lines: has 1001 bytes, more than 1000",
        ),
    )
    assert others == CatalogerStatus("others", "failed", 1, ("f.others: cannot be read",))
    assert executable.reasons == (
        "bin/error: cannot be read",
        "bin/fault: internal error: ZeroDivisionError",
    )
    assert executable.status == "partial"
    assert set(packages(scanned(layer))) == {"one@1", "two@2", f"fine@{len(ELF)}"}


def test_a_status_of_a_file_that_is_gone_stays_with_its_layer():
    scan = scanned(layer_of({"a.others": b"!"}), layer_of({".wh.a.others": b""}))
    assert [[status.status for status in layer] for layer in scan.statuses] == [["failed"], []]


def test_programs_too_large_to_read(monkeypatch):
    monkeypatch.setattr(layer_scan, "MAX_EXECUTABLE", 700)
    (status,) = statuses(layer_of({"bin/tool": ELF + bytes(1000)}))
    assert status.status == "failed"


def test_names_that_are_no_utf_8_are_written_with_escapes():
    layer = layer_of({"caf\udce9.lines": b"one 1"})
    assert packages(scanned(layer)) == {"one@1": ("caf\\xe9.lines",)}


def test_a_layer_of_several_images_is_read_once():
    images = [image_of(SHARED, own) for own in OWN]
    scans = scan_images(images, CATALOGERS)
    assert [set(packages(scan)) for scan in scans] == [{"base@1", "one@1"}, {"base@1", "two@1"}]
    assert sorted(images[0].source.opened + images[1].source.opened) == [0, 1, 1]


def test_one_image_s_failure_is_its_own():
    broken = image_of(SHARED, OWN[0])
    broken.source.stored[1] = b"\x1f\x8b broken"
    wrong = image_of(OWN[1])
    wrong.source.stored[0] = image_of(SHARED).source.stored[0]
    scans = scan_images([broken, wrong, image_of(SHARED)], CATALOGERS)
    assert isinstance(scans[0], CouldNotCheckError)
    assert "oci-dir:image: layer 1: is gzip that is cut short" in scans[0].message
    assert isinstance(scans[1], VerificationError)
    assert set(packages(scans[2])) == {"base@1"}


def test_limits_reach_the_layers():
    with pytest.raises(CouldNotCheckError, match="more than 600 bytes"):
        scanned(SHARED, limits=Limits(unpacked=600))


def test_an_image_without_layers():
    assert packages(scanned()) == {}


def test_an_export_gives_layers_in_any_order():
    (scan,) = scan_images([image_of(SHARED, *OWN, export=True)], CATALOGERS)
    assert set(packages(scan)) == {"base@1", "one@1", "two@1"}


def test_an_export_is_read_only_if_a_layer_is_missing(tmp_path):
    cache = LayerCache(tmp_path, CATALOGERS.version)
    scan_images([image_of(SHARED, *OWN)], CATALOGERS, cache=cache)
    image = image_of(SHARED, *OWN, export=True)
    (scan,) = scan_images([image], CATALOGERS, cache=cache)
    assert image.source.exports == 0
    assert set(packages(scan)) == {"base@1", "one@1", "two@1"}


@pytest.mark.parametrize(("named", "read"), [(True, 2), (False, 3)])
def test_layers_that_an_export_names_are_not_read_again(tmp_path, named, read):
    cache = LayerCache(tmp_path, CATALOGERS.version)
    scan_images([image_of(OWN[1])], CATALOGERS, cache=cache)
    image = image_of(SHARED, *OWN, export=True)
    image.source.named = named
    (scan,) = scan_images([image], CATALOGERS, cache=cache)
    assert set(packages(scan)) == {"base@1", "one@1", "two@1"}
    assert image.source.pieces == read


def test_an_export_that_lacks_a_layer():
    image = image_of(SHARED, OWN[0], export=True)
    image.source.layers.pop()
    (error,) = scan_images([image], CATALOGERS)
    assert "the export lacks layers" in error.message


def test_an_export_that_cannot_be_read():
    image = image_of(SHARED, OWN[0], export=True)
    image.source.layers[1] = b"garbage" * 100
    (error,) = scan_images([image], CATALOGERS)
    assert "content 0: is no tar archive" in error.message


def test_an_image_whose_layer_is_in_another_s_cache_reads_nothing(tmp_path):
    cache = LayerCache(tmp_path, CATALOGERS.version)
    first = scan_images([image_of(SHARED, *OWN)], CATALOGERS, cache=cache)[0]
    image = image_of(SHARED, *OWN)
    again = scan_images([image], CATALOGERS, cache=cache)[0]
    assert image.source.opened == []
    assert (again.inventory, again.origins, again.statuses) == (
        first.inventory,
        first.origins,
        first.statuses,
    )


def test_layers_are_known_by_their_diff_id():
    scan = scan_layer([SHARED], "layer", CATALOGERS)
    assert scan.diff_id == Digest.of(SHARED)
    assert scan.size == len(SHARED)
