import os
import subprocess
import sys

from fakes.host import capture

from titan_provenance.cli.main import program


def test_demo_shows_the_path_and_four_refusals(tmp_path):
    code, out = capture(program(), "titan-provenance", ["demo", "--out", str(tmp_path / "demo")])
    text = out.decode()
    assert code == 0
    assert text.count("PASSED: titan") == 2
    assert text.count("FAILED: ") == 4
    assert text.count("(exit code 1)") == 4
    kept = {"docker-compose.prod.yml", "keys", "oci", "releases", "state.json"}
    assert kept < set(os.listdir(tmp_path / "demo"))
    assert not [name for name in os.listdir(tmp_path / "demo" / "keys") if name.endswith(".key")]
    code, _ = capture(program(), "titan-provenance", ["demo", "--out", str(tmp_path / "demo")])
    assert code == 2


def test_demo_makes_the_same_images_each_time(tmp_path):
    digests = set()
    for name in ("a", "b"):
        capture(program(), "titan-provenance", ["demo", "--out", str(tmp_path / name)])
        digests.add((tmp_path / name / "oci" / "brain" / "index.json").read_text())
    assert len(digests) == 1


def test_demo_leaves_nothing_behind_and_heeds_no_environment(tmp_path):
    environment = {
        **os.environ,
        "TMPDIR": str(tmp_path),
        "SOURCE_DATE_EPOCH": "1",
        "TITAN_PROVENANCE_TRUST_ADD_ROLE": "sbom",
    }
    words = [sys.executable, "-m", "titan_provenance", "demo"]
    done = subprocess.run(words, env=environment, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path) == []
