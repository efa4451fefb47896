"""Peak memory of scanning images that other tools need gigabytes for; each in its own process.

python benchmarks/layer_memory.py [--case NAME]
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

from titan_provenance.cataloger.executable import open_scanner
from titan_provenance.cataloger.select import CATALOGER_SET, select
from titan_provenance.image.config import ImageConfig
from titan_provenance.image.layered import LayeredImage
from titan_provenance.sbom.layer_scan import Catalogers, LayerScan, scan_layer
from titan_provenance.sbom.scan import merge_layers

MEBIBYTE = 1 << 20
CATALOGERS = Catalogers(CATALOGER_SET, select, open_scanner)
PACKAGE = b'{"name": "package-%d", "version": "1.0.%d", "license": "MIT", "dependencies": {}}'


def entry(name: bytes, content: bytes, size: int = 0) -> bytes:
    """Return a header, and the content unless its size is given alone."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108] = b"0000644\0"
    block[124:136] = b"%011o\0" % (size or len(content))
    block[148:157] = b"        0"
    block[257:265] = b"ustar\x0000"
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + content + bytes(-len(content) % 512)


def joined(entries: Iterator[bytes]) -> Iterator[bytes]:
    """Yield pieces of about a mebibyte, and the end of the archive."""
    pieces, size = [], 0
    for data in entries:
        pieces.append(data)
        size += len(data)
        if size >= MEBIBYTE:
            yield b"".join(pieces)
            pieces, size = [], 0
    yield b"".join(pieces) + bytes(1024)


def tiny_files(count: int) -> Iterator[bytes]:
    """Yield a layer of files of one line in directories of a thousand."""
    # One checksum and many names: only the digits change, and their sum is put right.
    template = bytearray(entry(b"srv/data/%04d/file-%07d.txt" % (0, 0), b"tiny\n"))
    zeros = sum(template[:148]) + sum(template[156:512]) + 256

    def one(number: int) -> bytes:
        name = b"srv/data/%04d/file-%07d.txt" % (number // 1000, number)
        template[: len(name)] = name
        digits = sum(name) - _PLAIN
        template[148:156] = b"%06o\0 " % (zeros + digits)
        return bytes(template)

    return joined(map(one, range(count)))


_PLAIN = sum(b"srv/data/%04d/file-%07d.txt" % (0, 0))


def large_layer(number: int, size: int) -> Iterator[bytes]:
    """Yield a layer of one large file and one package."""
    yield entry(b"srv/large-%d.bin" % number, b"", size)
    block = bytes(range(256)) * (MEBIBYTE // 256)
    for _ in range(size // MEBIBYTE):
        yield block
    name = b"app/node_modules/package-%d/package.json" % number
    yield entry(name, PACKAGE % (number, number)) + bytes(1024)


def packages(count: int) -> Iterator[bytes]:
    """Yield a layer of Node packages."""
    name = b"app/node_modules/package-%d/package.json"
    return joined(entry(name % number, PACKAGE % (number, number)) for number in range(count))


def merged(scans: list[LayerScan]) -> int:
    """Return the number of packages of an image of these layers."""
    config = ImageConfig("linux/amd64", tuple(scan.diff_id for scan in scans))
    image = LayeredImage("made", None, None, config, (), _Nothing())
    return len(merge_layers(image, scans).inventory.packages)


class _Nothing:
    def open_layer(self, _: object) -> Iterator[bytes]:
        raise LookupError("the layers were scanned already")


def scanned(chunks: Iterator[bytes]) -> LayerScan:
    """Scan a layer that nobody stated a digest of."""
    return scan_layer(chunks, "made", CATALOGERS)


def case_tiny() -> int:
    """Scan three million tiny files."""
    return merged([scanned(tiny_files(3_000_000)), scanned(packages(1))])


def case_large() -> int:
    """Scan an image of 74 layers and 8 GB."""
    return merged([scanned(large_layer(number, 110 * MEBIBYTE)) for number in range(74)])


CASES = {
    "3,000,000 tiny files": (case_tiny, 250),
    "74 layers of 8 GB": (case_large, 150),
    "1,000 packages": (lambda: merged([scanned(packages(1_000))]), 0),
    "10,000 packages": (lambda: merged([scanned(packages(10_000))]), 0),
    "100,000 packages": (lambda: merged([scanned(packages(100_000))]), 0),
}


def run_here(name: str) -> None:
    """Run one case and print its figures."""
    start = time.process_time()
    found = CASES[name][0]()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEBIBYTE
    print(json.dumps({"found": found, "peak": peak, "cpu": time.process_time() - start}))


def main() -> None:
    """Run all cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=list(CASES))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        run_here(options.case)
        return
    for name in [options.case] if options.case else CASES:
        command = [sys.executable, __file__, "--here", "--case", name]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            sys.exit(f"{name} failed: {done.stderr.decode()}")
        figures = json.loads(done.stdout)
        bound = f" (bound {CASES[name][1]})" if CASES[name][1] else ""
        print(
            f"{name}: peak {figures['peak']:.0f} MiB{bound}, CPU {figures['cpu']:.1f} s, "
            f"{figures['found']} packages"
        )


if __name__ == "__main__":
    main()
