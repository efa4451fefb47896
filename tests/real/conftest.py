"""The real parts: each one is started or found here, used over loopback only, and stopped again."""

import os
import shutil

import pytest
from real.parts import (
    SERVICES,
    VERSION,
    Cosign,
    Registry,
    Workplace,
    for_each,
    pulled_images,
    require,
    run,
)

from titan_provenance.cli.demo_images import write_image


@pytest.fixture(scope="session")
def layouts(tmp_path_factory):
    """Return a directory with the seven images as OCI layouts: a real fleet, else small ones."""
    if fleet := os.environ.get("TITAN_PROVENANCE_TEST_FLEET"):
        root = os.path.join(fleet, "oci")
        for service in SERVICES:
            require(os.path.isdir(os.path.join(root, service)), f"{root}/{service}")
        return root
    root = str(tmp_path_factory.mktemp("fleet"))
    for service in SERVICES:
        write_image(os.path.join(root, service), service, VERSION)
    return root


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    """Start a registry."""
    command = require(shutil.which("docker-registry"), "docker-registry")
    started = Registry(command, str(tmp_path_factory.mktemp("registry")))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def pushed(registry, layouts):
    """Push the seven images; return the registry that has them."""
    require(shutil.which("skopeo"), "skopeo")

    def push(service):
        layout = os.path.join(layouts, service)
        registry.push(f"{layout}:{VERSION}", registry.repository(service))

    for_each(push, SERVICES)
    return registry


@pytest.fixture(scope="session")
def engine():
    """Return the version of the Docker engine that answers."""
    require(shutil.which("docker"), "the docker command")
    asked = run("docker", "version", "--format", "{{.Server.Version}}")
    return require(asked.code == 0 and asked.out.strip(), "a Docker engine")


@pytest.fixture
def pulled(pushed, engine):
    """Pull the seven images into the engine by tag, and forget them afterwards."""
    del engine
    images = [f"{pushed.repository(service)}:{VERSION}" for service in SERVICES]
    with pulled_images(images):
        yield pushed


@pytest.fixture
def workplace(tmp_path, layouts):
    """Return a workplace with a manifest that was built from the layouts, not signed yet."""
    place = Workplace(tmp_path)
    assert place.build(f"oci-dir:{layouts}").code == 0
    return place


@pytest.fixture
def cosign(tmp_path):
    """Return cosign with a home of its own."""
    named = os.environ.get("TITAN_PROVENANCE_TEST_COSIGN")
    command = named if named and os.path.exists(named) else shutil.which("cosign")
    require(command, "cosign", in_ci=shutil.which("go") is not None)
    directory = tmp_path / "cosign"
    directory.mkdir()
    return Cosign(command, directory)
