import fcntl
import json
import os
import subprocess
import sys

import pytest
from fakes.host import NOW, make_release

from titan_provenance.attest.verify import VerifiedRelease
from titan_provenance.errors import CouldNotCheckError, VerificationError
from titan_provenance.model.digest import Digest
from titan_provenance.release import state
from titan_provenance.release.state import read_state, record_release


def verified(version, sequence, trust_version=1):
    release = make_release(version, sequence)
    return VerifiedRelease(release, Digest.of(version.encode()), ("ci",), trust_version)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "deep" / "releases.json")


def record(path, *args, rollback_to=None, **options):
    return record_release(path, verified(*args, **options), NOW, rollback_to)[1]


def test_releases_are_recorded_in_order(path):
    assert read_state(path, "titan") == ()
    assert "first release accepted" in record(path, "1.4.0", 4)
    assert "newer than 1.4.0" in record(path, "1.5.0", 5)
    assert "the latest release" in record(path, "1.5.0", 5)
    assert [known.version for known in read_state(path, "titan")] == ["1.4.0", "1.5.0"]
    assert read_state(path, "atlas") == ()


def test_older_release_only_as_a_named_rollback_to_a_known_one(path):
    record(path, "1.4.0", 4)
    record(path, "1.5.0", 5)
    with pytest.raises(VerificationError) as caught:
        record(path, "1.4.0", 4)
    assert caught.value.hint == "To roll back on purpose: --allow-rollback 1.4.0"
    with pytest.raises(VerificationError, match="older"):
        record(path, "1.4.0", 4, rollback_to="1.3.0")
    assert "rollback to 1.4.0 from 1.5.0" in record(path, "1.4.0", 4, rollback_to="1.4.0")
    with pytest.raises(VerificationError, match="never accepted it"):
        record(path, "1.3.0", 3, rollback_to="1.3.0")
    with pytest.raises(VerificationError, match="older"):
        record(path, "1.4.0", 4)


def test_same_sequence_with_another_manifest(path):
    record(path, "1.4.0", 4)
    with pytest.raises(VerificationError, match="accepted before with another manifest"):
        record(path, "1.4.1", 4)


def test_older_trust_policy_is_refused_and_a_newer_one_is_kept(path):
    record(path, "1.4.0", 4, trust_version=2)
    with pytest.raises(VerificationError, match="trust policy version 1 is older than 2"):
        record(path, "1.5.0", 5, trust_version=1)
    record(path, "1.4.0", 4, trust_version=3)
    assert [known.trust_version for known in read_state(path, "titan")] == [3]


def test_the_oldest_of_very_many_are_forgotten(path):
    for number in range(1, 106):
        record(path, f"1.{number}", number)
    known = read_state(path, "titan")
    assert (len(known), known[0].sequence, known[-1].sequence) == (100, 6, 105)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"releases": {"titan": [{"version": "1"}]}}', '{"releases": 1}']
)
def test_damaged_record_is_no_empty_record(path, content):
    os.makedirs(os.path.dirname(path))
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)
    with pytest.raises(CouldNotCheckError, match="record of accepted releases is damaged"):
        read_state(path, "titan")
    with pytest.raises(CouldNotCheckError, match="damaged"):
        record(path, "1.4.0", 4)


def test_lock_of_another_verification_is_waited_for_and_then_named(path, monkeypatch):
    record(path, "1.4.0", 4)
    monkeypatch.setattr(state, "_LOCK_SECONDS", 0.1)
    with open(path + ".lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CouldNotCheckError, match="another verification holds"):
            record(path, "1.5.0", 5)
    assert "newer" in record(path, "1.5.0", 5)


def test_many_at_once_lose_nothing(path):
    """Twelve processes record a release of their own each; afterwards all twelve are there."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[3])\n"
        "from fakes.host import make_release, NOW\n"
        "from titan_provenance.attest.verify import VerifiedRelease\n"
        "from titan_provenance.model.digest import Digest\n"
        "from titan_provenance.release.state import record_release\n"
        "n = sys.argv[2]\n"
        "r = make_release(name='fleet' + n)\n"
        "record_release(sys.argv[1], VerifiedRelease(r, Digest.of(n.encode()), (), 1), NOW, None)\n"
    )
    tests = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    running = [
        subprocess.Popen([sys.executable, "-c", script, path, str(number), tests])
        for number in range(12)
    ]
    assert [process.wait(60) for process in running] == [0] * 12
    with open(path, encoding="utf-8") as file:
        assert len(json.load(file)["releases"]) == 12
