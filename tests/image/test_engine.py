import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest
from fakes.images import build_image, tar_of
from fakes.registry import FakeRegistry

from titan_provenance.errors import CouldNotCheckError, EngineError, RegistryError
from titan_provenance.image import Sources, identify, identify_all
from titan_provenance.image.layered import read_image
from titan_provenance.model.digest import Digest

IMAGE = build_image()
CONFIG = IMAGE.platforms[0].config
OTHER = Digest("e" * 64)


class FakeEngine:
    """The few calls of the engine's API that an inspection makes, answered from a dictionary."""

    def __init__(self):
        self.images = {}
        self.history = []
        self.export = b""
        self.status = 200
        self.paths = []
        engine = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                engine.paths.append(self.path)
                status, body = engine.answer(self.path)
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"tcp://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def answer(self, path):
        if path.endswith("/version"):
            return 200, {"ApiVersion": "1.47", "MinAPIVersion": "1.24"}
        if self.status != 200:
            return self.status, {"message": "the engine is unwell"}
        name, _, question = unquote(path.partition("/images/")[2]).rpartition("/")
        if name not in self.images:
            return 404, {"message": f"No such image: {name}"}
        answers = {"json": self.images[name], "history": self.history, "get": self.export}
        return 200, answers[question]

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def engine(monkeypatch):
    with FakeEngine() as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.address)
        yield engine


@pytest.fixture
def no_engine(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")


def inspected(*repo_digests, image_id=CONFIG, **fields):
    return {
        "Id": str(image_id),
        "RepoDigests": list(repo_digests),
        "Os": "linux",
        "Architecture": "amd64",
    } | fields


def identity_of(reference):
    with Sources() as sources:
        return identify(sources.open(reference))


def test_the_classic_store_knows_digest_config_and_platform(engine):
    engine.images["ghcr.io/titan/brain:1.4.0"] = inspected(
        f"ghcr.io/titan/brain@{IMAGE.digest}", Variant="v2"
    )

    identity = identity_of("docker:ghcr.io/titan/brain:1.4.0")
    (platform,) = identity.platforms
    assert identity.digest == IMAGE.digest
    assert (platform.platform, platform.manifest, platform.config) == (
        "linux/amd64/v2",
        None,
        CONFIG,
    )
    assert identity.answered_by == "docker:ghcr.io/titan/brain:1.4.0"


def test_the_containerd_store_knows_no_config(engine):
    engine.images["ghcr.io/titan/brain:1.4.0"] = inspected(
        f"ghcr.io/titan/brain@{IMAGE.digest}", image_id=IMAGE.digest
    )

    identity = identity_of("docker:ghcr.io/titan/brain:1.4.0")
    assert identity.digest == IMAGE.digest
    assert identity.platforms[0].config is None


def test_docker_hub_images_are_known_by_their_short_names(engine):
    engine.images["docker.io/library/alpine:3.20"] = inspected(f"alpine@{IMAGE.digest}")

    assert identity_of("docker:alpine:3.20").digest == IMAGE.digest


def test_a_digest_of_another_repository_does_not_count(engine):
    engine.images["ghcr.io/titan/brain:1.4.0"] = inspected(
        f"ghcr.io/titan/other@{OTHER}", f"ghcr.io/titan/brain@{IMAGE.digest}"
    )

    assert identity_of("docker:ghcr.io/titan/brain:1.4.0").digest == IMAGE.digest


@pytest.mark.parametrize("repo_digests", [[], [f"ghcr.io/titan/other@{OTHER}"], ["<none>@<none>"]])
def test_an_image_that_was_never_pushed_has_no_digest(engine, repo_digests):
    engine.images["ghcr.io/titan/brain:1.4.0"] = inspected(*repo_digests)

    with pytest.raises(EngineError, match=r"no digest of it in ghcr\.io/titan/brain") as caught:
        identity_of("docker:ghcr.io/titan/brain:1.4.0")
    assert "Push or pull" in caught.value.hint


def test_no_repo_digests_at_all_is_the_same(engine):
    engine.images["ghcr.io/titan/brain:1.4.0"] = inspected() | {"RepoDigests": None}

    with pytest.raises(EngineError, match="no digest of it"):
        identity_of("docker:ghcr.io/titan/brain:1.4.0")


def test_several_digests_of_one_repository_are_named(engine):
    engine.images["ghcr.io/titan/brain:1.4.0"] = inspected(
        f"ghcr.io/titan/brain@{IMAGE.digest}", f"ghcr.io/titan/brain@{OTHER}"
    )

    with pytest.raises(EngineError) as caught:
        identity_of("docker:ghcr.io/titan/brain:1.4.0")
    assert str(IMAGE.digest) in caught.value.message
    assert str(OTHER) in caught.value.message


def test_a_digest_chooses_among_several(engine):
    name = f"ghcr.io/titan/brain@{OTHER}"
    engine.images[name] = inspected(f"ghcr.io/titan/brain@{IMAGE.digest}", name)

    assert identity_of(f"docker:{name}").digest == OTHER


def test_an_engine_that_answers_another_digest_is_not_believed(engine):
    name = f"ghcr.io/titan/brain@{OTHER}"
    engine.images[name] = inspected(f"ghcr.io/titan/brain@{IMAGE.digest}")

    with pytest.raises(EngineError, match="under other digests"):
        identity_of(f"docker:{name}")


def test_an_image_that_is_not_there(engine):
    assert not engine.images
    with pytest.raises(EngineError, match=r"no image ghcr\.io/titan/brain:9") as caught:
        identity_of("docker:ghcr.io/titan/brain:9")
    assert "docker pull ghcr.io/titan/brain:9" in caught.value.hint


def test_an_engine_that_fails(engine):
    engine.status = 500

    with pytest.raises(EngineError, match="the engine answered 500"):
        identity_of("docker:ghcr.io/titan/brain:1.4.0")


@pytest.mark.parametrize(
    "found", [[], {}, inspected(Os=""), inspected(image_id="x"), inspected(Architecture="../x")]
)
def test_an_engine_that_answers_nonsense(engine, found):
    engine.images["ghcr.io/titan/brain:1.4.0"] = found

    with pytest.raises(EngineError):
        identity_of("docker:ghcr.io/titan/brain:1.4.0")


@pytest.mark.usefixtures("no_engine")
def test_an_engine_that_is_not_there():
    with pytest.raises(EngineError, match="cannot be reached") as caught:
        identity_of("docker:ghcr.io/titan/brain:1.4.0")
    assert "DOCKER_HOST" in caught.value.hint


@pytest.mark.usefixtures("no_engine")
def test_an_engine_that_is_not_there_is_tried_once(monkeypatch):
    import docker

    attempts = []
    connect = docker.from_env
    monkeypatch.setattr("docker.from_env", lambda **kw: attempts.append(kw) or connect(**kw))
    names = [f"ghcr.io/titan/service-{number}:1" for number in range(3)]
    with Sources() as sources:
        found = identify_all({name: sources.open(f"docker:{name}") for name in names})

    assert [type(error) for error in found.values()] == [EngineError] * 3
    assert len(attempts) == 1


def test_many_images_share_one_connection_to_the_engine(engine):
    names = [f"ghcr.io/titan/service-{number}:1" for number in range(7)]
    for name in names:
        engine.images[name] = inspected(f"{name[:-2]}@{IMAGE.digest}")
    with Sources() as sources:
        identities = identify_all({name: sources.open(f"docker:{name}") for name in names})

    assert {identity.digest for identity in identities.values()} == {IMAGE.digest}
    assert len([path for path in engine.paths if path.endswith("/version")]) == 1


def test_a_plain_reference_is_answered_by_the_engine_first(engine):
    engine.images["ghcr.io/titan/brain:1.4.0"] = inspected(f"ghcr.io/titan/brain@{IMAGE.digest}")

    identity = identity_of("ghcr.io/titan/brain:1.4.0")
    assert identity.answered_by == "docker:ghcr.io/titan/brain:1.4.0"


@pytest.mark.parametrize("fixture", ["engine", "no_engine"])
def test_a_plain_reference_is_answered_by_the_registry_then(fixture, request):
    request.getfixturevalue(fixture)
    with FakeRegistry() as registry:
        reference = registry.push("titan/brain", "1.4.0", IMAGE)

        identity = identity_of(reference)
    assert identity.answered_by == f"registry:{reference}"
    assert identity.platforms == IMAGE.platforms


@pytest.mark.usefixtures("no_engine")
def test_a_plain_reference_that_nobody_knows_says_so_for_both():
    with FakeRegistry() as registry, pytest.raises(RegistryError, match="404") as caught:
        identity_of(f"{registry.host}/titan/brain:9")
    assert "the Docker engine cannot be reached" in caught.value.hint


def test_layers_come_from_one_export(engine):
    layer = tar_of({"srv/brain": b"linux/amd64"})
    engine.images["docker.io/x/brain:1"] = inspected(RootFS={"Layers": [str(Digest.of(layer))]})
    engine.history = [{"CreatedBy": "FROM", "Size": 1}]
    engine.export = tar_of({"a/layer.tar": layer})
    with Sources() as sources:
        image = read_image(sources.open("docker:x/brain:1"))
        assert not any(path.endswith("/get") for path in engine.paths)
        assert [b"".join(chunks) for _, chunks in image.source.export_layers()] == [layer]
    assert image.layers[0].created_by == "FROM"


def test_an_engine_that_breaks_off_its_export(engine):
    engine.images["docker.io/x/brain:1"] = inspected(RootFS={"Layers": []})
    with Sources() as sources:
        image = read_image(sources.open("x/brain:1"))
        engine.images.clear()
        with pytest.raises(EngineError, match="answered 404"):
            list(image.source.export_layers())


def test_layers_without_an_engine(no_engine):
    del no_engine
    with Sources() as sources, pytest.raises(EngineError, match="cannot be reached"):
        read_image(sources.open("docker:x/brain:1"))


def test_a_plain_reference_has_its_layers_in_the_registry_where_the_engine_has_none(no_engine):
    del no_engine
    with FakeRegistry() as registry, Sources() as sources:
        image = sources.open(f"127.0.0.1:{registry.port}/x/brain:1")
        with pytest.raises(CouldNotCheckError) as raised:
            read_image(image)
    assert "Not in the engine either" in raised.value.hint
