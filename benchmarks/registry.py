"""How long seven services take to be identified, against a registry that answers in 200 ms.

Run it as `python benchmarks/registry.py`. The bound that the project sets itself: not more than
three times the slowest single HEAD of a manifest.
"""

from __future__ import annotations

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tests"))

import requests
from fakes.images import build_image, build_index
from fakes.registry import FakeRegistry

from titan_provenance.image import Sources, identify_all
from titan_provenance.image.registry import RegistryClient

LATENCY = 0.2
SERVICES = ("brain", "execution", "hunter", "nats", "scavenger", "sentinel", "strategies")
BOUND = 3


def main() -> None:
    """Print the wall time for single manifests and for indexes, and its ratio to one HEAD."""
    # What is loaded lazily is loaded before the clock starts: its cost is another benchmark's.
    RegistryClient().close()
    for form, build in (("single manifests", build_image), ("indexes", build_index)):
        with FakeRegistry(latency=LATENCY) as registry, Sources() as sources:
            references = [registry.push(f"titan/{name}", "1.4.0", build(name)) for name in SERVICES]
            slowest = max(_head(f"{registry.url}/v2/titan/{name}") for name in SERVICES)
            opened = {text: sources.open(f"registry:{text}") for text in references}
            began = time.perf_counter()
            found = identify_all(opened)
            wall = time.perf_counter() - began
        failed = [text for text, identity in found.items() if isinstance(identity, Exception)]
        print(
            f"{len(found) - len(failed)} of {len(SERVICES)} services, {form}: {wall * 1000:.0f} ms,"
            f" slowest HEAD {slowest * 1000:.0f} ms, ratio {wall / slowest:.2f} (bound {BOUND})"
        )


def _head(repository: str) -> float:
    began = time.perf_counter()
    requests.head(f"{repository}/manifests/1.4.0", timeout=10).raise_for_status()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
