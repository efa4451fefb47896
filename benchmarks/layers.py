"""Reading the layers of images against the floor: CPU time, wall time and memory as ratios.

The floor does what nobody can leave out: read each unique layer of the images once, inflate it,
hash the bytes before and after, step over the tar headers. Each run is a process of its own.

    python benchmarks/layers.py OCI_DIRECTORY… [--runs N]
"""

import argparse
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHUNK = 1 << 18
MEBIBYTE = 1 << 20


def unique_layers(directories: list[str]) -> dict[str, Path]:
    """Return (path of the blob, diffID) of each unique layer in the OCI layouts."""
    found = {}
    for directory in directories:
        blobs = Path(directory, "blobs", "sha256")
        index = json.loads(Path(directory, "index.json").read_bytes())
        for image in index["manifests"]:
            manifest = json.loads((blobs / image["digest"][7:]).read_bytes())
            config = json.loads((blobs / manifest["config"]["digest"][7:]).read_bytes())
            layers = [blobs / layer["digest"][7:] for layer in manifest["layers"]]
            found |= zip(config["rootfs"]["diff_ids"], layers, strict=True)
    return found


def floor(directories: list[str]) -> int:
    """Inflate, hash twice, step over headers; return the number of entries."""
    entries = 0
    for diff_id, path in unique_layers(directories).items():
        entries += floor_layer(path, diff_id)
    return entries


def floor_layer(path: Path, diff_id: str) -> int:
    """Do one layer."""
    from isal import isal_zlib

    stored, plain = hashlib.sha256(), hashlib.sha256()
    stream = isal_zlib.decompressobj(31)
    entries, at, rest = 0, 0, b""
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            stored.update(chunk)
            piece = stream.decompress(chunk)
            plain.update(piece)
            if rest:
                piece, rest = rest + piece, b""
            while at + 512 <= len(piece):
                header = piece[at : at + 512]
                if header[0]:
                    entries += 1
                    size = int(header[124:135], 8) if header[156] in b"0\0xLKg" else 0
                    at += 512 + (size + 511 & ~511)
                else:
                    at += 512
            rest = piece[at:]
            at = max(at - len(piece), 0)
    if stored.hexdigest() != path.name or plain.hexdigest() != diff_id[7:]:
        sys.exit(f"{path}: wrong digest")
    return entries


def walk(directories: list[str]) -> int:
    """Read the layers with the toolkit, wanting nothing; return the number of entries."""
    from titan_provenance.image.layer import PlainLayer
    from titan_provenance.image.layout import DirectoryFiles, LayoutSource
    from titan_provenance.image.source import Descriptor, stream_verified
    from titan_provenance.image.tar import TarReader
    from titan_provenance.model.digest import Digest

    entries = 0
    for diff_id, path in unique_layers(directories).items():
        root = path.parent.parent.parent
        source = LayoutSource(DirectoryFiles(str(root)), str(root))
        descriptor = Descriptor("", Digest(path.name), path.stat().st_size)
        chunks = stream_verified(source, descriptor)
        layer = PlainLayer(chunks, path.name, expected=Digest.parse(diff_id))
        reader = TarReader(layer, path.name)
        while reader.next():
            entries += 1
    return entries


def scan(directories: list[str], cache: str = "") -> int:
    """Scan the images with all catalogers; return the number of packages."""
    from titan_provenance.cataloger.executable import open_scanner
    from titan_provenance.cataloger.select import CATALOGER_SET, select
    from titan_provenance.errors import TitanProvenanceError
    from titan_provenance.image import Sources
    from titan_provenance.image.layered import read_image
    from titan_provenance.sbom.cache import LayerCache
    from titan_provenance.sbom.layer_scan import Catalogers
    from titan_provenance.sbom.scan import scan_images

    catalogers = Catalogers(CATALOGER_SET, select, open_scanner)
    with Sources() as sources:
        images = [read_image(sources.open(f"oci-dir:{path}")) for path in directories]
        kept = LayerCache(cache, CATALOGER_SET) if cache else None
        scans = scan_images(images, catalogers, cache=kept)
    packages = 0
    for outcome in scans:
        if isinstance(outcome, TitanProvenanceError):
            sys.exit(outcome.message)
        packages += len(outcome.inventory.packages)
    return packages


def cold(directories: list[str]) -> int:
    """Scan with a cache that has nothing."""
    with tempfile.TemporaryDirectory() as cache:
        return scan(directories, cache)


def warm(directories: list[str]) -> int:
    """Scan with a cache that has all layers; nothing is inflated."""
    from titan_provenance.image import inflate

    if not os.path.isdir(os.environ["BENCHMARK_CACHE"]):
        return scan(directories, os.environ["BENCHMARK_CACHE"])

    def refuse(*_: object) -> None:
        sys.exit("a layer was read")

    inflate.__dict__["_peek"] = refuse
    return scan(directories, os.environ["BENCHMARK_CACHE"])


CANDIDATES = {"floor": floor, "walk": walk, "cold": cold, "warm": warm}


def measured(name: str, directories: list[str]) -> dict[str, float]:
    """Run one candidate in a process of its own; return its figures."""
    command = [sys.executable, __file__, "--candidate", name, *directories]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"{name} failed: {done.stderr.decode()}")
    return json.loads(done.stdout)


def run_here(name: str, directories: list[str]) -> None:
    """Run one candidate and print its figures."""
    start = time.perf_counter()
    result = CANDIDATES[name](directories)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "cpu": usage.ru_utime + usage.ru_stime,
        "wall": time.perf_counter() - start,
        "memory": usage.ru_maxrss * 1024 / MEBIBYTE,
        "result": result,
    }
    print(json.dumps(figures))


def main() -> None:
    """Compare all candidates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("layouts", nargs="*", metavar="OCI_DIRECTORY")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--candidate", choices=list(CANDIDATES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    layouts = [os.path.realpath(path) for path in options.layouts]
    if not layouts:
        print("layers: no OCI layouts of images were named: nothing measured")
        return
    if options.candidate:
        run_here(options.candidate, layouts)
        return
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in CANDIDATES}
    with tempfile.TemporaryDirectory() as directory:
        os.environ["BENCHMARK_CACHE"] = os.path.join(directory, "cache")
        measured("warm", layouts)
        for _ in range(options.runs):
            for name, runs in figures.items():
                runs.append(measured(name, layouts))
    for name, runs in figures.items():
        ratio = statistics.median(
            run["cpu"] / base["cpu"] for run, base in zip(runs, figures["floor"], strict=True)
        )
        middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        print(
            f"{name}: CPU {middle['cpu']:.2f} s, {ratio:.2f} x floor; wall "
            f"{middle['wall'] / middle['cpu']:.2f} x CPU; peak {middle['memory']:.0f} MiB; "
            f"{middle['result']:.0f} found"
        )


if __name__ == "__main__":
    main()
