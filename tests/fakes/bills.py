"""A small bill of materials with one package of several kinds, and bills of any size."""

from datetime import UTC, datetime

from titan_provenance.cataloger.interface import Distro
from titan_provenance.model.digest import Digest
from titan_provenance.model.package import Package
from titan_provenance.sbom.bill import Bill, Component, Coverage, Layer

BASE = Layer(0, Digest.of(b"base"), Digest.of(b"base diff"), "/bin/sh -c #(nop) ADD file:x in /")
APP = Layer(1, Digest.of(b"app"), Digest.of(b"app diff"), "COPY app/node_modules ./node_modules")
CREATED = datetime(2026, 11, 23, 7, 0, 0, tzinfo=UTC)


def component(package, layer=APP, **fields):
    """Return a component whose ref is the purl of its package."""
    origin = "base" if layer is BASE else "service"
    return Component(package.purl, package, layer, origin, **fields)


def bill_of(components, dependencies=None, coverage=(), **fields):
    """Return a bill of components."""
    facts = {
        "name": "registry.example/titan/brain",
        "version": "1.4.0",
        "digest": Digest.of(b"manifest"),
        "platform": "linux/amd64",
        "created": CREATED,
        "components": tuple(sorted(components, key=lambda item: item.ref)),
        "dependencies": dependencies or {},
        "coverage": tuple(coverage),
        "layers": (BASE, APP),
        "distro": Distro("alpine", "3.20.3"),
        "labels": (("org.opencontainers.image.base.name", "alpine:3.20.3"),),
    }
    return Bill(**{**facts, **fields})


MUSL = component(
    Package(
        type="apk",
        namespace="alpine",
        name="musl",
        version="1.2.5-r0",
        qualifiers=(("arch", "x86_64"), ("distro", "alpine-3.20.3")),
        locations=("lib/apk/db/installed",),
        cataloger="apk",
        source="musl",
        supplier="Timo Teräs <timo.teras@iki.fi>",
        description="the musl c library (libc) implementation",
        homepage="https://musl.libc.org/",
    ),
    BASE,
    license="MIT",
    cpe="cpe:2.3:a:musl:musl:1.2.5-r0:*:*:*:*:*:*:*",
)
LEFT_PAD = component(
    Package(
        type="npm",
        namespace="@scope",
        name="left-pad",
        version="1.3.0",
        locations=("app/node_modules/@scope/left-pad/package.json", "app/x/package.json"),
        cataloger="node",
        author="azer",
        hashes=(("SHA-512", "ab" * 64),),
    ),
    license="LicenseRef-WTFPL-ish OR MIT",
)
LODASH = component(
    Package(
        type="npm",
        name="lodash",
        version="4.17.20",
        locations=("app/node_modules/lodash/package.json",),
        cataloger="node",
    )
)
NATS = component(
    Package(
        type="golang",
        namespace="github.com/nats-io/nats-server",
        name="v2",
        version="v2.10.0",
        kind="application",
        locations=("usr/local/bin/nats-server",),
        cataloger="go",
        method="binary-analysis",
        confidence=0.9,
    )
)


def small_bill():
    """Return a bill of four components, two of which form a chain, one cataloger incomplete."""
    coverage = [
        Coverage("apk", "succeeded"),
        Coverage("go", "succeeded"),
        Coverage("node", "partial", ("app/broken/package.json: not JSON",)),
    ]
    edges = {LEFT_PAD.ref: (LODASH.ref,)}
    return bill_of([MUSL, LEFT_PAD, LODASH, NATS], edges, coverage)


def reached(graph, start):
    """Return the refs that a dependency graph leads to from `start`, itself included."""
    seen, todo = set(), [start]
    while todo:
        ref = todo.pop()
        if ref not in seen:
            seen.add(ref)
            todo += graph[ref]
    return seen
