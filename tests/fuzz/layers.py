"""Fuzzes how a layer is read: inflating, tar headers, whiteouts, links, and the cache's files.

    pip install atheris
    python tests/fuzz/layers.py layer|cache [corpus directory] [-max_total_time=300]

Any exception but those of the toolkit is a finding, and so is an answer that depends on the size
of the pieces in which a layer arrives.
"""

import contextlib
import gzip
import io
import os
import sys
import tarfile
import tempfile

import atheris

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

with atheris.instrument_imports(include=["titan_provenance"]):
    from titan_provenance.errors import CouldNotCheckError, DocumentError
    from titan_provenance.image.inflate import Limits
    from titan_provenance.image.tree import ImageTree
    from titan_provenance.model.digest import Digest
    from titan_provenance.sbom.cache import decode, encode
    from titan_provenance.sbom.layer_scan import scan_layer, unread_links

from fakes.layers import CATALOGERS, ELF, HARD_LINK, SYMLINK, layer_of

LIMITS = Limits(unpacked=8 << 20, seconds=20)
FILES = {
    "a.lines": b"one 1\n?",
    "b.others": b"!",
    "bin/tool": ELF,
    "d/link": (SYMLINK, "../a.lines"),
    "d/hard.lines": (HARD_LINK, "a.lines"),
    "d/.wh.gone": b"",
    "d/.wh..wh..opq": b"",
    "n" * 150 + ".lines": b"two 2",
}


def seeds():
    """Return layers of all forms."""
    plain = layer_of(FILES)
    found = [plain, gzip.compress(plain)]
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
            member = tarfile.TarInfo("d/" * 60 + "caf\u00e9.lines")
            member.pax_headers = {"comment": "seed", "GNU.sparse.map": "0,0"}
            tar.addfile(member)
        found.append(buffer.getvalue())
    scan = scan_layer([plain], "layer", CATALOGERS)
    return [*found, encode(scan, "1")]


def scanned(data, size):
    """Return what is found, None where there is an error of the toolkit's own."""
    pieces = (data[start : start + size] for start in range(0, len(data), size))
    with contextlib.suppress(CouldNotCheckError):
        return scan_layer(pieces, "layer", CATALOGERS, limits=LIMITS)
    return None


def fuzz_layer(data):
    scan, other = scanned(data, 1 << 20), scanned(data, 333)
    assert (scan is None) == (other is None)
    if scan is None:
        return
    assert scan.contents.files == other.contents.files
    assert list(scan.contents.names) == list(other.contents.names)
    unread_links(scan, CATALOGERS)
    tree = ImageTree()
    for index in range(2):
        tree.apply(scan.contents, index)
    for name in scan.contents.names:
        tree.resolve(name)
    again = decode(encode(scan, "1"), scan.diff_id, "1")
    assert again.contents.files == scan.contents.files


def fuzz_cache(data):
    with contextlib.suppress(DocumentError):
        scan = decode(data, Digest("0" * 64), "1")
        with contextlib.suppress(DocumentError):
            ImageTree().apply(scan.contents, 0)


def main():
    """Fuzz from seeds of our own."""
    what, *options = sys.argv[1:] or ["layer"]
    target = {"layer": fuzz_layer, "cache": fuzz_cache}[what]
    with tempfile.TemporaryDirectory() as directory:
        for number, seed in enumerate(seeds()):
            with open(f"{directory}/{number}", "wb") as file:
                file.write(seed)
        atheris.Setup([sys.argv[0], *options, directory], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
