"""Bills of materials of the images named, as whole processes, against trivy and syft.

Each tool writes one CycloneDX document an image; ours in one process for all, the peers one each,
as their users run them. Cold: nothing cached. Warm: the same once more. All in turn, medians.

    python benchmarks/sbom.py OCI_DIRECTORY… [--runs N]     TITAN_PROVENANCE_TEST_TRIVY=, _SYFT=
"""

from __future__ import annotations

import argparse
import compileall
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import titan_provenance

BOUNDS = {
    ("ours cold", "trivy cold", "cpu"): 0.5,
    ("ours cold", "syft", "cpu"): 0.07,
    ("ours warm", "trivy warm", "wall"): 0.6,
}


class Cost(NamedTuple):
    """CPU and wall seconds of one run."""

    cpu: float
    wall: float


def run(commands: list[list[str]], **environment: str) -> Cost:
    """Run commands one after the other and return what they cost together."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    for command in commands:
        done = subprocess.run(
            command, capture_output=True, check=False, env={**os.environ, **environment}
        )
        if done.returncode:
            sys.exit(f"{command[0]} failed: {done.stderr.decode()[-500:]}")
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(cpu, wall)


def ours(layouts: list[str], out: str, *options: str) -> list[list[str]]:
    """Return our command line."""
    program = str(Path(sys.executable).parent / "titan-provenance")
    images = [f"oci-dir:{layout}" for layout in layouts]
    return [[program, "sbom", "generate", *images, "--output-dir", out, "--quiet", *options]]


def trivy(program: str, layouts: list[str], out: str, cache: str) -> list[list[str]]:
    """Return trivy's command lines."""
    common = [program, "image", "--cache-dir", cache, "--format", "cyclonedx", "--quiet"]
    return [[*common, "--input", path, "-o", f"{out}/{Path(path).name}"] for path in layouts]


def syft(program: str, layouts: list[str], out: str) -> list[list[str]]:
    """Return syft's command lines."""
    return [
        [program, "scan", f"oci-dir:{path}", "-q", "-o", f"cyclonedx-json={out}/{Path(path).name}"]
        for path in layouts
    ]


def one_round(layouts: list[str], peers: dict[str, str], directory: str) -> dict[str, Cost]:
    """Run every candidate once."""
    costs: dict[str, Cost] = {}
    with tempfile.TemporaryDirectory(dir=directory) as work:
        cache = {"TITAN_PROVENANCE_CACHE": f"{work}/ours"}
        costs["ours cold"] = run(ours(layouts, work), **cache)
        costs["ours warm"] = run(ours(layouts, work), **cache)
        if peers["trivy"]:
            command = trivy(peers["trivy"], layouts, work, f"{work}/trivy")
            costs["trivy cold"] = run(command)
            costs["trivy warm"] = run(command)
        if peers["syft"]:
            costs["syft"] = run(
                syft(peers["syft"], layouts, work), SYFT_CHECK_FOR_APP_UPDATE="false"
            )
    return costs


def main() -> None:
    """Run all candidates in turn and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layouts", nargs="*", metavar="OCI_DIRECTORY")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    if not options.layouts:
        print("sbom: no OCI layouts of images were named: nothing measured")
        return
    compileall.compile_dir(str(Path(titan_provenance.__file__).parent), quiet=1)
    peers = {
        name: os.environ.get(f"TITAN_PROVENANCE_TEST_{name.upper()}") or shutil.which(name) or ""
        for name in ("trivy", "syft")
    }
    layouts = [os.path.realpath(path) for path in options.layouts]
    with tempfile.TemporaryDirectory() as directory:
        rounds = [one_round(layouts, peers, directory) for _ in range(options.runs)]
    for name in rounds[0]:
        cpu = statistics.median(costs[name].cpu for costs in rounds)
        wall = statistics.median(costs[name].wall for costs in rounds)
        print(f"{name:<10} CPU {cpu:6.2f} s  wall {wall:6.2f} s")
    for (one, other, figure), bound in BOUNDS.items():
        if other not in rounds[0]:
            print(f"no {other.split()[0]} on this machine: not compared")
            continue
        ratios = [getattr(c[one], figure) / getattr(c[other], figure) for c in rounds]
        print(f"{one} / {other}, {figure}: {statistics.median(ratios):.3f} (bound {bound})")


if __name__ == "__main__":
    main()
