"""@sigstore/verify, the library of npm, accepts the bundles that we write."""

import hashlib
import os
import shutil

import pytest
from real.parts import changed_byte, require, run_well

pytestmark = pytest.mark.real

SCRIPT = os.path.join(os.path.dirname(__file__), "sigstore_verify.mjs")


@pytest.fixture
def judge():
    """Return a function that asks the library about a bundle and a public key."""
    node = require(shutil.which("node"), "node", in_ci=False)
    modules = os.environ.get("TITAN_PROVENANCE_TEST_NODE_MODULES", "")
    there = os.path.isdir(os.path.join(modules, "@sigstore", "verify")) and modules
    require(there, "@sigstore/verify (TITAN_PROVENANCE_TEST_NODE_MODULES)")
    return lambda bundle, key: run_well(node, SCRIPT, modules, bundle, key).split()


@pytest.mark.parametrize("kind", ["ecdsa-p256", "ed25519"])
def test_it_accepts_our_bundle_and_no_other(kind, judge, workplace):
    key = workplace.new_key(kind)
    bundle = workplace.sign(key)
    with open(workplace.manifest, "rb") as file:
        signed = hashlib.sha256(file.read()).hexdigest()
    assert judge(bundle, f"{key}.pub") == ["accepted", signed]

    for before in ('"payload": "', '"payloadType": "', '"sig": "'):
        with changed_byte(bundle, before):
            assert judge(bundle, f"{key}.pub") == ["rejected", "SIGNATURE_ERROR"], before
    with changed_byte(bundle, '"hint": "'):
        assert judge(bundle, f"{key}.pub") == ["rejected", "PUBLIC_KEY_ERROR"]
    assert judge(bundle, f"{key}.pub") == ["accepted", signed]


def test_it_rejects_another_key(judge, workplace):
    bundle = workplace.sign(workplace.new_key())
    other = workplace.new_key("ed25519")
    assert judge(bundle, f"{other}.pub") == ["rejected", "PUBLIC_KEY_ERROR"]


def test_it_hashes_for_p384_keys_otherwise_than_their_algorithm(judge, workplace):
    """Why P-256 is the default: the library leaves the hash of a managed key to node, SHA-256."""
    key = workplace.new_key("ecdsa-p384")
    assert judge(workplace.sign(key), f"{key}.pub") == ["rejected", "SIGNATURE_ERROR"]
