from datetime import timedelta

import pytest
from fakes.host import NOW, new_signer, policy_of

from titan_provenance import load_trust
from titan_provenance.attest.trust import Revocation, Signer
from titan_provenance.attest.trust_edit import (
    add_signer,
    examine,
    format_policy,
    init_policy,
    revoke_signer,
    write_policy,
)
from titan_provenance.errors import DocumentError, UnreadableError, UsageError

CI, AUDITOR = new_signer(), new_signer("ed25519")


def signer(name, key):
    return Signer(name, f"{name}.pub", key.public_key)


@pytest.fixture
def keys(tmp_path):
    write_policy(policy_of({"ci": CI, "auditor": AUDITOR}, threshold=2), str(tmp_path))
    return tmp_path


def test_policy_is_read_back_as_written(keys):
    policy = policy_of({"ci": CI, "auditor": AUDITOR}, threshold=2)
    window = policy.signers["ci"]._replace(
        valid_from=NOW, valid_until=NOW + timedelta(9), revoked=Revocation(NOW, 'he said "no"\\')
    )
    policy = policy.changed(signers={**policy.signers, "ci": window})
    write_policy(policy, str(keys))
    assert load_trust(str(keys)) == policy


def test_life_of_a_policy():
    policy = init_policy(signer("ci", CI), "release")
    policy = add_signer(policy, signer("auditor", AUDITOR), "release", 2)
    assert (policy.version, policy.roles["release"].threshold) == (2, 2)
    policy = add_signer(policy, signer("auditor", AUDITOR), "sbom", None)
    assert policy.roles["sbom"].signers == ("auditor",)
    policy = revoke_signer(policy, "ci", NOW, "stolen")
    assert policy.version == 4
    assert policy.signers["ci"].problem_at(NOW) is not None
    assert policy.signers["ci"].problem_at(NOW - timedelta(seconds=1)) is None


def test_changes_that_make_no_sense_are_refused():
    policy = init_policy(signer("ci", CI), "release")
    with pytest.raises(UsageError, match="has another key"):
        add_signer(policy, signer("ci", AUDITOR), "release", None)
    with pytest.raises(UsageError, match='the key of "ci"'):
        add_signer(policy, signer("twin", CI), "release", None)
    with pytest.raises(UsageError, match="cannot be met"):
        add_signer(policy, signer("auditor", AUDITOR), "release", 3)
    with pytest.raises(UsageError, match="no signer"):
        revoke_signer(policy, "nobody", NOW, "x")
    with pytest.raises(UsageError, match="is revoked since"):
        revoke_signer(revoke_signer(policy, "ci", NOW, "x"), "ci", NOW, "x")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("threshold: 2", "threshold: 0", r"trust.yaml:\d+:\d+: .*0 is not between 1"),
        ("threshold: 2", "threshold: 3", "3 of 2 signers can never be met"),
        ("threshold: 2", "treshold: 2", 'unknown key "treshold"'),
        ("release:", "relaese:", 'unknown key "relaese"'),
        ('["ci", "auditor"]', '["ci", "auditr"]', 'no signer "auditr"'),
        ('["ci", "auditor"]', '["ci", "ci"]', "twice"),
        ("schema-version: 1", "schema-version: 2", "only schema version 1"),
        ("version: 1\nsigners", "version: 0\nsigners", "not between 1"),
        ('"ci.pub"', '"auditor.pub"', "holds another key"),
        ('"ci.pub"', '"../ci.pub"', "no path below the directory"),
        ('"ci":\n', '"zz": 1\n  "ci":\n', "expected a mapping, found a number"),
    ],
)
def test_policies_that_must_not_be_used(keys, old, new, message):
    path = keys / "trust.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(DocumentError, match=message):
        load_trust(str(keys))


def test_misspelt_key_is_named_with_the_nearest(keys):
    path = keys / "trust.yaml"
    path.write_text(path.read_text().replace("threshold", "treshold"))
    with pytest.raises(DocumentError) as caught:
        load_trust(str(keys))
    assert caught.value.hint == 'Did you mean "threshold"?'
    assert caught.value.line > 1


def test_missing_key_file_and_private_key_in_its_place(keys):
    (keys / "ci.pub").unlink()
    with pytest.raises(UnreadableError, match=r"ci.pub: does not exist"):
        load_trust(str(keys))
    (keys / "ci.pub").write_text("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n")
    with pytest.raises(DocumentError, match="holds a private key"):
        load_trust(str(keys))


def test_examine_finds_what_is_wrong_with_a_directory(keys):
    assert examine(str(keys), NOW)[1:] == ([], [])
    (keys / "old.key").write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n")
    (keys / "trust.yaml").chmod(0o666)
    policy = load_trust(str(keys))
    write_policy(revoke_signer(policy, "ci", NOW, "stolen"), str(keys))
    (keys / "trust.yaml").chmod(0o666)
    _, problems, _ = examine(str(keys), NOW)
    assert len(problems) == 3
    assert "old.key is a private key" in problems[0]
    assert "can be written by everyone" in problems[1]
    assert "1 of 2 needed signers are valid" in problems[2]


def test_examine_warns_before_a_window_ends(keys):
    policy = load_trust(str(keys))
    soon = policy.signers["ci"]._replace(valid_until=NOW + timedelta(5))
    write_policy(policy.changed(signers={**policy.signers, "ci": soon}), str(keys))
    assert "ci is valid until" in examine(str(keys), NOW)[2][0]


def test_text_of_a_policy():
    text = format_policy(init_policy(signer("ci", CI), "release"))
    assert text.endswith(
        "schema-version: 1\n"
        "version: 1\n"
        "signers:\n"
        '  "ci":\n'
        '    key: "ci.pub"\n'
        f'    hint: "{CI.public_key.hint}"\n'
        "roles:\n"
        "  release:\n"
        "    threshold: 1\n"
        '    signers: ["ci"]\n'
    )
