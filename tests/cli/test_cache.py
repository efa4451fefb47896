import json
import os

import pytest
from fakes.layers import CATALOGERS, layer_of

from titan_provenance.cli.command import run
from titan_provenance.cli.main import program
from titan_provenance.sbom.cache import LayerCache
from titan_provenance.sbom.layer_scan import scan_layer


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.setenv("TITAN_PROVENANCE_CACHE", str(tmp_path))
    scan = scan_layer([layer_of({"a.lines": b"one 1"})], "layer", CATALOGERS)
    cache = LayerCache(tmp_path, CATALOGERS.version)
    cache.store(scan)
    path = cache._path(scan.diff_id)
    os.utime(path, (1_000_000, 1_000_000))
    return tmp_path


def cache(*words):
    return run(program(), "titan-provenance", ["cache", *words])


def test_status(directory, capsys):
    assert cache("status") == 0
    assert f"{directory} holds 1 layers, 0.0 MiB, the oldest unused for" in capsys.readouterr().out
    assert cache("status", "--format", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["files"], found["oldest"]) == (1, 1_000_000)


def test_status_of_an_empty_cache(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TITAN_PROVENANCE_CACHE", str(tmp_path))
    assert cache("status") == 0
    assert capsys.readouterr().out == f"{tmp_path} holds 0 layers, 0.0 MiB\n"


def test_prune(directory, capsys):
    del directory
    assert cache("prune", "--max-age", "999999w", "--max-size", "1G") == 0
    assert "lost 0 layers" in capsys.readouterr().out
    assert cache("prune", "--max-size", "0") == 0
    assert "lost 1 layers" in capsys.readouterr().out


@pytest.mark.parametrize("size", ["1", "1b", "500M", "2g", "2GiB", "2GB"])
def test_sizes(directory, size):
    del directory
    assert cache("prune", "--max-size", size) == 0


@pytest.mark.parametrize(
    "words",
    [["--max-size", "much"], ["--max-size", "-1"], ["--max-age", "30"], ["--max-age", "1m"]],
)
def test_what_is_no_size_and_no_age(directory, words, capsys):
    del directory
    assert cache("prune", *words) == 2
    assert "is no" in capsys.readouterr().err
