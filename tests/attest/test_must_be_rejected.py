"""What others once accepted, and what must never pass: one row each.

The first column names the advisory that shows that it happened. Each case puts something wrong in
place on a host whose release verifies; the row says which check refuses it, with which exit code.
Rows about certificates and logs wait for signatures that have them.
"""

import base64
import json
import os
from datetime import timedelta

import pytest
from fakes.host import NOW, Host, bundle_of, make_release, new_signer, policy_of, refused_by

from titan_provenance.attest.statement import PAYLOAD_TYPE, write_manifest
from titan_provenance.attest.trust import Revocation


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


# --- how each case is arranged -------------------------------------------------------------------


def sign_changed(host, change):
    """Put a statement in place that was changed before it was properly signed."""
    statement = json.loads(write_manifest(make_release()))
    change(statement)
    sign_bytes(host, json.dumps(statement).encode())


def sign_bytes(host, payload):
    host.place(payload, {"ci": bundle_of(payload, host.ci)})


def change_bundle(host, change):
    """Change the bundle of a properly signed release."""
    bundle = host.bundle()
    change(bundle)
    host.place(host.read("release", "manifest.json"), {"ci": bundle})


def change_trust(host, old, new):
    text = host.read("keys", "trust.yaml").decode()
    assert old in text
    host.write(text.replace(old, new), "keys", "trust.yaml")


def change_signer(host, **changes):
    policy = policy_of(host.signers)
    signers = {**policy.signers, "ci": policy.signers["ci"]._replace(**changes)}
    host.trust(policy._replace(signers=signers))


def wrong_predicate_type(host):
    sign_changed(host, lambda s: s.update(predicateType="https://slsa.dev/provenance/v1"))


def wrong_statement_type(host):
    sign_changed(host, lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"))


def payload_that_does_not_parse(host):
    sign_bytes(host, write_manifest(make_release())[:-3])


def payload_with_duplicate_keys(host):
    payload = write_manifest(make_release())
    sign_bytes(host, payload.replace(b'"_type"', b'"_type": "x",\n  "_type"', 1))


def payload_with_nan(host):
    payload = write_manifest(make_release())
    sign_bytes(host, payload.replace(b'"sequence": 4', b'"sequence": NaN', 1))


def payload_nested_without_end(host):
    sign_bytes(host, b'{"_type":' + b'{"a":[' * 100_000)


def payload_with_half_a_surrogate_pair(host):
    sign_changed(host, lambda s: s["predicate"]["release"].update(version="\ud800"))


def subject_with_another_digest(host):
    sign_changed(host, lambda s: s["subject"][0]["digest"].update(sha256="0" * 64))


def subject_left_out(host):
    sign_changed(host, lambda s: s["subject"].pop())


def subject_too_many(host):
    extra = {"name": "registry.example/titan/evil", "digest": {"sha256": "0" * 64}}
    sign_changed(host, lambda s: s["subject"].append(extra))


def subject_twice(host):
    sign_changed(host, lambda s: s["subject"].append(s["subject"][0]))


def tag_without_digest(host):
    sign_changed(
        host,
        lambda s: s["predicate"]["services"]["brain"].update(
            image="registry.example/titan/brain:1"
        ),
    )


def service_name_that_climbs(host):
    def change(statement):
        services = statement["predicate"]["services"]
        services["../../etc/brain"] = services.pop("brain")

    sign_changed(host, change)


def compose_name_that_climbs(host):
    sign_changed(host, lambda s: s["predicate"]["services"]["brain"].update(compose="../x"))


def two_services_with_one_compose_name(host):
    sign_changed(
        host,
        lambda s: s["predicate"]["services"]["brain"].update(compose="titan-nats"),
    )


def file_name_that_climbs(host):
    digests = {"../../etc/passwd": "sha256:" + "0" * 64}
    sign_changed(host, lambda s: s["predicate"]["files"].update(digests=digests))


def file_name_that_is_absolute(host):
    sign_changed(host, lambda s: s["predicate"]["files"].update(patterns=["/etc/*"]))


def key_file_that_climbs(host):
    change_trust(host, "ci.pub", "../release/ci.pub")


def one_key_under_two_names(host):
    host.trust(policy_of({"ci": host.ci, "other": host.ci}, threshold=2))


def one_bundle_twice(host):
    host.trust(policy_of(host.signers, threshold=2))
    bundle = host.bundle()
    host.place(host.read("release", "manifest.json"), {"ci": bundle, "auditor": bundle})


def two_signatures_by_one_signer(host):
    host.trust(policy_of(host.signers, threshold=2))
    manifest = host.read("release", "manifest.json")
    host.place(manifest, {n: bundle_of(manifest, host.ci) for n in ("one", "two")})


def threshold_not_reached(host):
    host.trust(policy_of(host.signers, threshold=2))


def threshold_zero(host):
    change_trust(host, "threshold: 1", "threshold: 0")


def threshold_that_cannot_be_met(host):
    change_trust(host, "threshold: 1", "threshold: 3")


def policy_without_signers(host):
    host.write("schema-version: 1\nversion: 1\nsigners: {}\nroles: {}\n", "keys", "trust.yaml")


def policy_with_unknown_key(host):
    change_trust(host, "threshold: 1", "threshold: 1\n    expires: 2026-01-01T00:00:00Z")


def policy_without_the_role(host):
    change_trust(host, "release:", "sbom:")


def signer_of_another_role(host):
    change_trust(host, 'signers: ["ci", "auditor"]', 'signers: ["auditor"]')


def revoked_key(host):
    change_signer(host, revoked=Revocation(NOW - timedelta(days=1), "laptop stolen"))


def key_before_its_window(host):
    change_signer(host, valid_from=NOW + timedelta(days=1))


def key_after_its_window(host):
    change_signer(host, valid_until=NOW - timedelta(seconds=1))


def unknown_key(host):
    host.release(make_release(), new_signer())


def key_under_anothers_hint(host):
    manifest = host.read("release", "manifest.json")
    bundle = bundle_of(manifest, new_signer())
    bundle["verificationMaterial"]["publicKey"]["hint"] = host.ci.public_key.hint
    host.place(manifest, {"ci": bundle})


def key_file_swapped(host):
    host.write(new_signer().public_key.pem(), "keys", "ci.pub")


def older_release(host):
    old = make_release("1.3.0", sequence=3)
    assert host.verify()[0] == 0
    host.release(old)


def other_manifest_with_the_same_sequence(host):
    assert host.verify()[0] == 0
    host.release(make_release("1.4.1", sequence=4))


def older_trust_policy(host):
    host.trust(policy_of(host.signers)._replace(version=2))
    assert host.verify()[0] == 0
    host.trust(policy_of(host.signers)._replace(version=1))


def expired_release(host):
    host.release(make_release(created_at=NOW - timedelta(9), expires_at=NOW - timedelta(1)))


def release_from_the_future(host):
    host.release(make_release(created_at=NOW + timedelta(hours=1)))


def second_bundle_is_forged(host):
    manifest = host.read("release", "manifest.json")
    forged = bundle_of(manifest, host.auditor)
    forged["dsseEnvelope"]["signatures"][0]["sig"] = base64.b64encode(bytes(64)).decode()
    host.place(manifest, {"auditor": forged, "ci": bundle_of(manifest, host.ci)})


def second_bundle_is_of_another_manifest(host):
    manifest = host.read("release", "manifest.json")
    other = bundle_of(write_manifest(make_release("9.9.9")), host.auditor)
    host.place(manifest, {"ci": bundle_of(manifest, host.ci), "z": other})


def no_bundle(host):
    host.place(host.read("release", "manifest.json"), {})


def trust_in_the_directory_under_test(host):
    os.rename(host.path("keys"), host.path("release", "keys"))
    os.symlink(host.path("release", "keys"), host.path("keys"))


def no_signature(host):
    change_bundle(host, lambda b: b["dsseEnvelope"].update(signatures=[]))


def two_signatures(host):
    change_bundle(host, lambda b: b["dsseEnvelope"]["signatures"].append({"sig": "AAAA"}))


def payload_type_swapped(host):
    change_bundle(host, lambda b: b["dsseEnvelope"].update(payloadType="application/json"))


def payload_type_swapped_and_signed(host):
    manifest = host.read("release", "manifest.json")
    host.place(manifest, {"ci": bundle_of(manifest, host.ci, "application/json")})


def unknown_media_type(host):
    change_bundle(host, lambda b: b.update(mediaType=b["mediaType"].replace("0.3", "0.9")))


def message_signature(host):
    def change(bundle):
        del bundle["dsseEnvelope"]
        bundle["messageSignature"] = {"signature": ""}

    change_bundle(host, change)


def unknown_field_in_the_bundle(host):
    change_bundle(host, lambda b: b.update(extra=1))


def log_entry_nobody_checks(host):
    change_bundle(host, lambda b: b["verificationMaterial"].update(tlogEntries=[{}]))


def too_many_log_entries(host):
    change_bundle(host, lambda b: b["verificationMaterial"].update(tlogEntries=33 * [{}]))


def too_many_timestamps(host):
    stamps = {"rfc3161Timestamps": 33 * [{}]}
    change_bundle(
        host, lambda b: b["verificationMaterial"].update(timestampVerificationData=stamps)
    )


def bundle_of_three_megabytes(host):
    change_bundle(host, lambda b: b["dsseEnvelope"].update(payload="A" * (3 << 20)))


def thirty_three_bundles(host):
    bundle = host.bundle()
    manifest = host.read("release", "manifest.json")
    host.place(manifest, {f"s{number}": bundle for number in range(33)})


def too_many_subjects(host):
    one = {"name": "registry.example/x", "digest": {"sha256": "0" * 64}}
    sign_changed(host, lambda s: s.update(subject=1025 * [one]))


def too_many_digests(host):
    digests = {f"sha{number}": "0" for number in range(40)} | {"sha256": "0" * 64}
    sign_changed(host, lambda s: s["subject"][0].update(digest=digests))


def bundle_with_duplicate_keys(host):
    text = host.read("release", "manifest.json.ci.sigstore.json").decode()
    text = text.replace('"mediaType"', '"mediaType": "x", "mediaType"', 1)
    host.write(text, "release", "manifest.json.ci.sigstore.json")


def manifest_with_crlf(host):
    data = host.read("release", "manifest.json").replace(b"\n", b"\r\n")
    host.write(data, "release", "manifest.json")


def manifest_with_byte_order_mark(host):
    host.write(b"\xef\xbb\xbf" + host.read("release", "manifest.json"), "release", "manifest.json")


def manifest_formatted_anew(host):
    host.write(json.loads(host.read("release", "manifest.json")), "release", "manifest.json")


def manifest_is_a_symbolic_link(host):
    os.rename(host.manifest, host.path("elsewhere.json"))
    os.symlink(host.path("elsewhere.json"), host.manifest)


def bundle_is_a_symbolic_link(host):
    path = host.path("release", "manifest.json.ci.sigstore.json")
    os.rename(path, host.path("elsewhere.json"))
    os.symlink(host.path("elsewhere.json"), path)


def nothing(host):
    del host


# --- the table -----------------------------------------------------------------------------------

USAGE = "usage or configuration error"

TABLE = [
    # lesson from, case, refused by, exit code, options
    ("cosign CVE-2022-35929", wrong_predicate_type, "statement", 1),
    ("cosign CVE-2022-35929", wrong_statement_type, "statement", 1),
    ("cosign CVE-2026-39395", payload_that_does_not_parse, "statement", 1),
    ("cosign CVE-2026-39395", payload_with_duplicate_keys, "statement", 1),
    ("cosign CVE-2026-39395", payload_with_nan, "statement", 1),
    ("cosign CVE-2026-39395", payload_nested_without_end, "statement", 1),
    ("cosign CVE-2026-39395", payload_with_half_a_surrogate_pair, "statement", 1),
    ("sigstore-ruby CVE-2026-31830", subject_with_another_digest, "statement", 1),
    ("sigstore-ruby CVE-2026-31830", subject_left_out, "statement", 1),
    ("sigstore-ruby CVE-2026-31830", subject_too_many, "statement", 1),
    ("sigstore-ruby CVE-2026-31830", subject_twice, "statement", 1),
    ("sigstore-ruby CVE-2026-31830", tag_without_digest, "statement", 1),
    ("sigstore-js CVE-2026-48815", nothing, USAGE, 2, "--running"),
    ("sigstore-js CVE-2026-48815", nothing, USAGE, 2, "--compose=docker-compose.yml"),
    ("sigstore-js CVE-2026-48815", nothing, USAGE, 2, "--evidence=."),
    ("sigstore-js CVE-2026-48815", nothing, USAGE, 2, "--vsa=vsa.json"),
    ("sigstore-js CVE-2026-48815", nothing, USAGE, 2, "--public-key=key.pub"),
    ("sigstore-js CVE-2026-48815", policy_with_unknown_key, USAGE, 2),
    ("sigstore-go CVE-2026-49834", one_bundle_twice, "threshold", 1),
    ("python-tuf CVE-2020-6174", two_signatures_by_one_signer, "threshold", 1),
    ("go-tuf GHSA-3633-5h82-39pq", one_key_under_two_names, USAGE, 2),
    ("go-tuf GHSA-3633-5h82-39pq", threshold_not_reached, "threshold", 1),
    ("sigstore-go CVE-2026-54787", key_before_its_window, "signature", 1),
    ("sigstore-go CVE-2026-54787", key_after_its_window, "signature", 1),
    ("in-toto GHSA-jjgp-whrp-gq8m", revoked_key, "signature", 1),
    ("in-toto GHSA-jjgp-whrp-gq8m", unknown_key, "signature", 1),
    ("in-toto GHSA-jjgp-whrp-gq8m", key_under_anothers_hint, "signature", 1),
    ("in-toto GHSA-jjgp-whrp-gq8m", key_file_swapped, USAGE, 2),
    ("in-toto GHSA-jjgp-whrp-gq8m", signer_of_another_role, "signature", 1),
    ("sigstore-go GHSA-cq38-jh5f-37mq", bundle_of_three_megabytes, "input", 3),
    ("sigstore-go GHSA-cq38-jh5f-37mq", too_many_log_entries, "input", 1),
    ("sigstore-go GHSA-cq38-jh5f-37mq", too_many_timestamps, "input", 1),
    ("sigstore-go GHSA-cq38-jh5f-37mq", thirty_three_bundles, "input", 1),
    ("sigstore-go GHSA-cq38-jh5f-37mq", too_many_subjects, "statement", 1),
    ("sigstore-go GHSA-cq38-jh5f-37mq", too_many_digests, "statement", 1),
    ("go-tuf CVE-2026-23992", threshold_zero, USAGE, 2),
    ("go-tuf CVE-2026-23992", threshold_that_cannot_be_met, USAGE, 2),
    ("go-tuf CVE-2026-23992", policy_without_signers, USAGE, 2),
    ("go-tuf CVE-2026-23992", policy_without_the_role, USAGE, 2),
    ("go-tuf CVE-2022-29173", older_release, "freshness", 1),
    ("go-tuf CVE-2022-29173", other_manifest_with_the_same_sequence, "freshness", 1),
    ("gittuf CVE-2026-44544", older_trust_policy, "freshness", 1),
    ("notation CVE-2024-23332", expired_release, "freshness", 1),
    ("notation CVE-2024-23332", expired_release, "freshness", 1, "--no-state"),
    ("notation CVE-2024-23332", release_from_the_future, "freshness", 1),
    ("sigstore CVE-2026-24137", service_name_that_climbs, "statement", 1),
    ("sigstore CVE-2026-24137", compose_name_that_climbs, "statement", 1),
    ("—", two_services_with_one_compose_name, "statement", 1),
    ("sigstore CVE-2026-24137", file_name_that_climbs, "statement", 1),
    ("sigstore CVE-2026-24137", file_name_that_is_absolute, "statement", 1),
    ("sigstore CVE-2026-24137", key_file_that_climbs, USAGE, 2),
    ("slsa-verifier GHSA-r2xv-vpr2-42m9", second_bundle_is_forged, "signature", 1),
    ("slsa-verifier GHSA-r2xv-vpr2-42m9", second_bundle_is_of_another_manifest, "envelope", 1),
    ("gh GO-2025-3467", no_bundle, "input", 1),
    ("in-toto CVE-2023-32076", trust_in_the_directory_under_test, USAGE, 2),
    ("sigstore-python CVE-2024-55655", log_entry_nobody_checks, "signature", 1),
    ("-", no_signature, "envelope", 1),
    ("-", two_signatures, "envelope", 1),
    ("-", payload_type_swapped, "envelope", 1),
    ("-", payload_type_swapped_and_signed, "envelope", 1),
    ("-", unknown_media_type, "input", 1),
    ("-", message_signature, "input", 1),
    ("-", unknown_field_in_the_bundle, "input", 3),
    ("-", bundle_with_duplicate_keys, "input", 3),
    ("-", manifest_with_crlf, "input", 3),
    ("-", manifest_with_byte_order_mark, "input", 3),
    ("-", manifest_formatted_anew, "envelope", 1),
    ("-", manifest_is_a_symbolic_link, "input", 3),
    ("-", bundle_is_a_symbolic_link, "input", 3),
]


@pytest.mark.parametrize(
    "row", TABLE, ids=[f"{row[0]} {row[1].__name__} {' '.join(row[4:])}".strip() for row in TABLE]
)
def test_is_rejected(host, row):
    _, arrange, check, code, *options = row
    arrange(host)
    override = host.path("override.yml")
    before = host.read("state.json") if os.path.exists(host.state) else None
    exit_code, document = host.verify(
        *options, "--override", override, state="--no-state" not in options
    )
    assert exit_code == code, document
    if check == USAGE:
        assert document["kind"] == "Error"
    else:
        assert refused_by(document)[0] == check, document
        assert document["verdict"] != "PASSED"
    assert not os.path.exists(override)
    after = host.read("state.json") if os.path.exists(host.state) else None
    assert after == before


def test_the_release_that_all_rows_start_from_is_accepted(host):
    exit_code, verdict = host.verify("--override", host.path("override.yml"))
    assert (exit_code, verdict["verdict"]) == (0, "PASSED"), verdict
    assert os.path.exists(host.path("override.yml"))


def test_payload_type_is_the_one_of_statements():
    assert PAYLOAD_TYPE == "application/vnd.in-toto+json"
