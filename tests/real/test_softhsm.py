"""Keys that never leave a PKCS#11 token: SoftHSM signs, verify-release verifies."""

import os
import secrets
import shutil
import sys
from typing import NamedTuple

import pytest
from real.parts import changed_byte, require, run_well

pytestmark = pytest.mark.real

PIN = "TITAN_PROVENANCE_HSM_PIN"
WRONG_PIN = "not-the-pin-4711"
MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)

# Run on its own: a PKCS#11 module is loaded once in a process, with the settings of that moment.
MAKE_KEYS = """
import os, pkcs11, pkcs11.util.ec as ec
token = pkcs11.lib(os.environ["PYKCS11LIB"]).get_token(token_label="release")
with token.open(rw=True, user_pin=os.environ["PIN"]) as session:
    for number, curve in ((2, "secp256r1"), (3, "secp384r1")):
        oid = ec.encode_named_curve_parameters(curve)
        kind, attribute = pkcs11.KeyType.EC, pkcs11.Attribute.EC_PARAMS
        parameters = session.create_domain_parameters(kind, {attribute: oid}, local=True)
        parameters.generate_keypair(id=bytes([number]), label=curve, store=True)
"""


class Token(NamedTuple):
    """A token called `release` with a P-256 key, number 2, and a P-384 key, number 3."""

    pin: str
    module: dict

    @property
    def environment(self):
        return {**self.module, PIN: self.pin}


@pytest.fixture(scope="session")
def token(tmp_path_factory):
    tool = require(shutil.which("softhsm2-util"), "softhsm2-util")
    library = require(next(filter(os.path.exists, MODULES), None), "libsofthsm2.so")
    directory = tmp_path_factory.mktemp("softhsm")
    (directory / "tokens").mkdir()
    settings = directory / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {directory}/tokens\n", encoding="utf-8")
    module = {"PYKCS11LIB": library, "SOFTHSM2_CONF": str(settings)}
    pin = secrets.token_hex(8)
    words = ["--init-token", "--free", "--label", "release", "--pin", pin, "--so-pin", pin]
    run_well(tool, *words, **module)
    run_well(sys.executable, "-c", MAKE_KEYS, PIN=pin, **module)
    return Token(pin, module)


@pytest.mark.parametrize(("number", "algorithm"), [(2, "ecdsa-p256"), (3, "ecdsa-p384")])
def test_what_the_token_signs_verifies(number, algorithm, token, workplace):
    bundle = workplace.sign(f"hsm:{number}?label=release", **token.environment)
    outcome = workplace.verify()
    assert (outcome.code, outcome.document["verdict"]) == (0, "PASSED"), outcome
    (signature,) = [c for c in outcome.document["checks"] if c["id"] == "signature"]
    assert algorithm in signature["message"]
    with changed_byte(bundle, '"sig": "MG' if number == 3 else '"sig": "ME'):
        assert workplace.verify().code == 1


def test_the_public_key_needs_no_pin(token, workplace):
    shown = workplace.titan_well("keys", "public", "--key", "hsm:2?label=release", **token.module)
    assert shown.startswith("-----BEGIN PUBLIC KEY-----")


MISTAKES = {
    # what: (key, changed environment, exit code, what the message says)
    "wrong PIN": ("hsm:2?label=release", {PIN: WRONG_PIN}, 3, "PinIncorrect"),
    "no PIN": ("hsm:2?label=release", {PIN: ""}, 2, PIN),
    "no such token": ("hsm:2?label=other", {}, 3, "No PKCS#11 token found for label other"),
    "no such key": ("hsm:9?label=release", {}, 3, "could not find ECDSA key"),
    "no module": ("hsm:2?label=release", {"PYKCS11LIB": "/none.so"}, 3, "/none.so"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_what_is_wrong_is_said_without_the_pin(what, token, workplace):
    key, changes, code, message = MISTAKES[what]
    for more in ([], ["--debug"]):
        words = ["sign", workplace.manifest, "--key", key, *more]
        outcome = workplace.titan(*words, **(token.environment | changes))
        assert outcome.code == code, outcome
        assert message in outcome.err
        assert ("Traceback" in outcome.err) == bool(more)
        assert token.pin not in outcome.out + outcome.err
        assert WRONG_PIN not in outcome.out + outcome.err
    assert not os.path.exists(workplace.manifest + ".sigstore.json")


@pytest.mark.parametrize("library", ["securesystemslib", "pkcs11"])
def test_a_missing_extra_is_named(library, token, workplace):
    absent = workplace.path("absent")
    os.mkdir(absent)
    with open(os.path.join(absent, f"{library}.py"), "w", encoding="utf-8") as file:
        file.write(f"raise ImportError('no {library}')\n")
    words = ["sign", workplace.manifest, "--key", "hsm:2?label=release"]
    outcome = workplace.titan(*words, PYTHONPATH=absent, **token.environment)
    assert outcome.code == 2, outcome
    assert "titan-provenance[kms]" in outcome.err
    assert "[hsm]" in outcome.err
