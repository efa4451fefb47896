import base64
import json
import os
from datetime import timedelta

import jsonschema_rs
import pytest
from fakes.host import NOW, SERVICES, Host, capture, make_release, new_signer, refused_by, statuses

from titan_provenance.cli.main import program
from titan_provenance.cli.verify import command as verify_command
from titan_provenance.model.digest import Digest
from titan_provenance.model.instant import format_instant
from titan_provenance.model.release import BoundFiles
from titan_provenance.model.verdict import CHECK_IDS


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Host(tmp_path)


@pytest.fixture
def fleet(host):
    return host.write(fleet_text(SERVICES), "titan-provenance.yaml")


def fleet_text(services):
    lines = [f"  {s}: {{image: registry.example/titan/{s}, compose: titan-{s}}}" for s in services]
    return "version: 1\nfleet: titan\nservices:\n" + "\n".join(lines) + "\n"


def schema(name):
    code, out = capture(program(), "titan-provenance", ["schema", name])
    assert code == 0
    return jsonschema_rs.validator_for(json.loads(out))


@pytest.mark.usefixtures("fleet")
def test_passed_verdict_is_as_specified(host):
    code, verdict = host.verify()
    schema("verdict").validate(verdict)
    assert code == 0
    assert [check["id"] for check in verdict["checks"]] == list(CHECK_IDS)
    asked = ("input", "envelope", "signature", "threshold", "statement", "freshness", "fleet")
    assert statuses(verdict) == {
        **dict.fromkeys(CHECK_IDS, "skipped"),
        **dict.fromkeys(asked, "passed"),
    }
    assert verdict["manifest"] == {
        "digest": str(Digest.of(host.read("release", "manifest.json"))),
        "name": "titan",
        "version": "1.4.0",
        "sequence": 4,
    }
    assert verdict["signers"] == ["ci"]


@pytest.mark.usefixtures("fleet")
def test_refused_verdicts_and_errors_are_as_specified(host):
    host.write(b"", "release", "manifest.json")
    code, verdict = host.verify()
    schema("verdict").validate(verdict)
    assert (code, verdict["verdict"]) == (3, "ERROR")
    code, error = host.verify("--running")
    schema("error").validate(error)
    assert (code, error["error"]["code"]) == (2, "usage")


@pytest.mark.usefixtures("fleet")
def test_text_is_a_line_for_each_check_and_the_outcome_last(host):
    words = [host.manifest, "--keys", host.path("keys"), "--no-state"]
    code, out = capture(verify_command, "verify-release", words)
    lines = out.decode().splitlines()
    assert code == 0
    assert lines[2].split() == ["3", "signature", "passed", "ci", "(ecdsa-p256)"]
    assert lines[-1].startswith("PASSED: titan 1.4.0 (sequence 4), manifest sha256:")
    assert len(lines) == len(CHECK_IDS) + 2


@pytest.mark.usefixtures("fleet")
def test_release_of_another_fleet_and_other_services(host):
    host.write(fleet_text([*SERVICES[1:], "extra"]), "titan-provenance.yaml")
    code, verdict = host.verify()
    assert (code, refused_by(verdict)) == (
        1,
        ("fleet", "not in the release: extra; not in the fleet file: brain"),
    )
    host.write(
        fleet_text(SERVICES).replace("fleet: titan", "fleet: atlas"), "titan-provenance.yaml"
    )
    assert refused_by(host.verify()[1])[0] == "fleet"


def test_service_under_another_name_in_compose_files(host):
    text = fleet_text(SERVICES).replace("compose: titan-brain", "compose: brain-2")
    host.write(text, "titan-provenance.yaml")
    code, verdict = host.verify("--override", host.path("override.yml"))
    message = "brain is titan-brain in compose files, brain-2 in the fleet file"
    assert (code, refused_by(verdict)) == (1, ("fleet", message))
    assert not os.path.exists(host.path("override.yml"))


@pytest.mark.usefixtures("fleet")
def test_service_from_another_repository(host):
    text = fleet_text(SERVICES).replace("registry.example/titan/nats", "other.example/titan/nats")
    host.write(text, "titan-provenance.yaml")
    code, verdict = host.verify()
    assert (code, refused_by(verdict)) == (
        1,
        (
            "fleet",
            (
                "nats comes from registry.example/titan/nats, "
                "in the fleet file other.example/titan/nats"
            ),
        ),
    )


def test_fleet_file_beside_the_manifest_is_not_picked_up(host, monkeypatch):
    host.write(fleet_text(SERVICES), "release", "titan-provenance.yaml")
    monkeypatch.chdir(host.path("release"))
    code, error = host.verify()
    assert code == 2
    assert "lies in the directory of the manifest under test" in error["error"]["message"]
    assert host.verify("--fleet", host.path("release", "titan-provenance.yaml"))[0] == 0


def test_bound_files_are_held_against_a_directory(host):
    host.write("services: {}\n", "compose.yml")
    files = BoundFiles(("*.yml",), (("compose.yml", Digest.of(b"services: {}\n")),))
    host.release(make_release(files=files))
    assert statuses(host.verify()[1])["files"] == "skipped"
    assert statuses(host.verify("--files", host.directory)[1])["files"] == "passed"
    host.write("services: {evil: {}}\n", "compose.yml")
    code, verdict = host.verify("--files", host.directory)
    assert (code, refused_by(verdict)[0]) == (1, "files")


@pytest.mark.usefixtures("fleet")
def test_bound_files_are_looked_for_beside_the_fleet_file(host):
    files = BoundFiles(("compose.yml",), (("compose.yml", Digest.of(b"x")),))
    host.release(make_release(files=files))
    code, verdict = host.verify()
    assert (code, refused_by(verdict)) == (1, ("files", "compose.yml is missing"))


def test_override_pins_every_service_and_only_after_passed(host):
    override = host.path("override.yml")
    assert host.verify("--override", override)[0] == 0
    text = host.read("override.yml").decode()
    assert text.count("@sha256:") == 7
    assert '  "titan-brain":\n    image: "registry.example/titan/brain@sha256:' in text
    host.write(b"old", "override.yml")
    host.write(host.read("release", "manifest.json") + b"\n", "release", "manifest.json")
    assert host.verify("--override", override)[0] == 1
    assert host.read("override.yml") == b"old"


@pytest.mark.parametrize("option", ["--override", "--output"])
@pytest.mark.parametrize(
    "path",
    [
        "release/manifest.json",
        "release/manifest.json.ci.sigstore.json",
        "release/../keys/trust.yaml",
        "keys/ci.pub",
        "state.json",
        "titan-provenance.yaml",
        "compose.yml",
        "link",
    ],
)
@pytest.mark.usefixtures("fleet")
def test_no_result_takes_the_place_of_what_is_read(host, option, path):
    host.write(fleet_text(SERVICES) + "compose: [compose.yml]\n", "titan-provenance.yaml")
    host.write("services: {}\n", "compose.yml")
    os.symlink("keys/trust.yaml", host.path("link"))
    assert host.verify()[0] == 0
    before = host.read(path)
    code, error = host.verify(option, path)
    assert (code, error["error"]["code"]) == (2, "usage")
    assert host.read(path) == before


def test_rollback_has_to_be_named(host):
    manifest = host.read("release", "manifest.json")
    bundle = host.bundle()
    assert host.verify()[0] == 0
    host.release(make_release("1.5.0", 5))
    assert host.verify()[0] == 0
    host.place(manifest, {"ci": bundle})
    assert refused_by(host.verify()[1])[0] == "freshness"
    assert host.verify("--allow-rollback", "1.4.0")[0] == 0
    assert refused_by(host.verify()[1])[0] == "freshness"


def test_audit_at_another_time_records_nothing(host):
    later = format_instant(NOW + timedelta(days=60))
    code, verdict = host.verify("--at", later)
    assert (code, refused_by(verdict)[0]) == (1, "freshness")
    code, verdict = host.verify("--at", format_instant(NOW))
    message = next(check["message"] for check in verdict["checks"] if check["id"] == "freshness")
    assert (code, message.partition(",")[0]) == (0, f"as of {format_instant(NOW)}")
    assert not os.path.exists(host.state)
    assert host.verify("--at", later, "--override", "x.yml")[0] == 2


def test_state_that_cannot_be_read_or_written_fails_closed(host):
    host.write("{", "state.json")
    code, verdict = host.verify("--override", host.path("override.yml"))
    assert (code, refused_by(verdict)[0]) == (3, "freshness")
    assert not os.path.exists(host.path("override.yml"))
    os.unlink(host.state)
    os.mkdir(host.state)
    assert host.verify()[0] == 3
    code, verdict = host.verify("--state", host.path("keys", "trust.yaml", "state.json"))
    assert (code, refused_by(verdict)[0]) == (3, "freshness")


def test_state_that_comes_with_the_release_is_refused(host):
    code, error = host.verify("--state", host.path("release", "state.json"))
    assert (code, error["error"]["code"]) == (2, "usage")


def test_user_without_home_has_to_name_the_state(host, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr("platformdirs.user_state_dir", lambda _: "~/.local/state/x")
    words = [host.manifest, "--keys", host.path("keys"), "--format", "json"]
    code, out = capture(verify_command, "verify-release", words)
    assert (code, json.loads(out)["error"]["hint"]) == (2, "Name the record with --state F.")


@pytest.mark.usefixtures("fleet")
def test_trust_is_found_by_environment_and_in_the_checkout(host, monkeypatch):
    words = [host.manifest, "--no-state", "--format", "json"]
    assert capture(verify_command, "verify-release", words)[0] == 0
    monkeypatch.setenv("TITAN_PROVENANCE_KEYS", host.path("nowhere"))
    code, out = capture(verify_command, "verify-release", words)
    assert (code, json.loads(out)["error"]["code"]) == (3, "unreadable")
    monkeypatch.setenv("TITAN_PROVENANCE_KEYS", host.path("keys"))
    assert capture(verify_command, "verify-release", words)[0] == 0


def test_trust_policy_that_is_a_link_into_the_release_is_refused(host):
    os.rename(host.path("keys", "trust.yaml"), host.path("release", "trust.yaml"))
    os.symlink("../release/trust.yaml", host.path("keys", "trust.yaml"))
    assert host.verify()[0] == 2


@pytest.mark.parametrize("name", ["keys/other.yaml", "keys"])
def test_trust_that_the_fleet_file_names_is_not_swapped_for_another(host, monkeypatch, name):
    monkeypatch.setattr("titan_provenance.release.gate.SYSTEM_TRUST", host.path("etc"))
    host.write(fleet_text(SERVICES) + f"trust: {name}\n", "titan-provenance.yaml")
    words = [host.manifest, "--no-state", "--format", "json"]
    code, out = capture(verify_command, "verify-release", words)
    assert code == 2
    assert "is not called trust.yaml" in json.loads(out)["error"]["message"]


def test_no_trust_at_all_is_a_usage_error(host, monkeypatch):
    monkeypatch.setattr("titan_provenance.release.gate.SYSTEM_TRUST", host.path("etc"))
    words = [host.manifest, "--no-state", "--format", "json"]
    code, out = capture(verify_command, "verify-release", words)
    assert code == 2
    assert "no trust policy" in json.loads(out)["error"]["message"]


def test_bundles_named_one_by_one(host):
    path = host.path("release", "manifest.json.ci.sigstore.json")
    os.rename(path, host.path("elsewhere.json"))
    assert host.verify()[0] == 1
    assert host.verify("--bundle", host.path("elsewhere.json"))[0] == 0


def test_contradicting_options_are_usage_errors(host):
    for options in (
        ["--no-state"],
        ["--legacy"],
        ["--signature", "x"],
        ["--at", "yesterday"],
        ["--legacy", "--public-key", "k", "--allow-rollback", "1"],
    ):
        assert host.verify(*options)[0] == 2, options
    assert host.verify("--allow-rollback", "1", state=False)[0] == 2


def test_github_actions_get_annotations_summary_and_outputs(host, monkeypatch, capfd):
    for name in ("SUMMARY", "OUTPUT"):
        variable = "GITHUB_STEP_SUMMARY" if name == "SUMMARY" else "GITHUB_OUTPUT"
        monkeypatch.setenv(variable, host.write(b"", name))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    host.write(host.read("release", "manifest.json") + b"\n", "release", "manifest.json")
    assert host.verify()[0] == 1
    assert "::error::envelope: " in capfd.readouterr().err
    assert "### FAILED" in host.read("SUMMARY").decode()
    assert host.read("OUTPUT").startswith(b"verdict=FAILED\nmanifest-digest=sha256:")


# --- the old form --------------------------------------------------------------------------------


@pytest.fixture
def legacy(host):
    images = {f"titan-{s}": f"ghcr.io/org/{s}@{Digest.of(s.encode())}" for s in SERVICES}
    signer = new_signer("ed25519")
    data = json.dumps(images, indent=2).encode()
    host.write(data, "release", "digests.json")
    host.write(base64.b64encode(signer.sign(data)) + b"\n", "release", "digests.json.sig")
    host.write(signer.public_key.pem(), "titan_release.pub")
    return host


def verify_legacy(host, *options):
    key = host.path("titan_release.pub")
    words = [host.path("release", "digests.json"), "--legacy", "--public-key", key]
    code, out = capture(verify_command, "v", [*words, "--format", "json", *options])
    return code, json.loads(out)


def test_old_digests_verify_and_pin(legacy):
    code, verdict = verify_legacy(legacy, "--override", legacy.path("override.yml"))
    schema("verdict").validate(verdict)
    assert (code, verdict["verdict"]) == (0, "PASSED")
    assert statuses(verdict)["freshness"] == "skipped"
    assert legacy.read("override.yml").count(b"@sha256:") == 7


def test_old_digests_are_held_against_the_fleet_file(legacy):
    legacy.write(fleet_text(SERVICES), "titan-provenance.yaml")
    assert verify_legacy(legacy)[0] == 0
    legacy.write(fleet_text(SERVICES[1:]), "titan-provenance.yaml")
    code, verdict = verify_legacy(legacy)
    assert (code, refused_by(verdict)[0]) == (1, "fleet")


@pytest.mark.parametrize(
    ("file", "change", "check"),
    [
        ("digests.json", lambda data: data.replace(b"brain", b"train"), "signature"),
        ("digests.json.sig", lambda _: base64.b64encode(bytes(64)), "signature"),
        ("digests.json.sig", lambda _: b"not base64", "signature"),
        ("digests.json.sig", lambda _: b"\xff", "signature"),
    ],
)
def test_old_digests_that_were_changed(legacy, file, change, check):
    legacy.write(change(legacy.read("release", file)), "release", file)
    code, verdict = verify_legacy(legacy)
    assert (code, refused_by(verdict)[0]) == (1, check)


def test_old_digests_with_a_tag_are_refused_though_signed(legacy):
    signer = new_signer("ed25519")
    data = b'{"titan-brain": "ghcr.io/org/brain:1.4.0"}'
    legacy.write(data, "release", "digests.json")
    legacy.write(base64.b64encode(signer.sign(data)), "release", "digests.json.sig")
    legacy.write(signer.public_key.pem(), "titan_release.pub")
    code, verdict = verify_legacy(legacy)
    assert (code, refused_by(verdict)[0]) == (1, "statement")


def test_public_key_from_the_package_under_test_is_refused(legacy):
    os.rename(legacy.path("titan_release.pub"), legacy.path("release", "titan_release.pub"))
    os.symlink(legacy.path("release", "titan_release.pub"), legacy.path("titan_release.pub"))
    assert verify_legacy(legacy)[0] == 2


def test_public_key_of_another_kind_is_refused(legacy):
    legacy.write(new_signer().public_key.pem(), "titan_release.pub")
    assert verify_legacy(legacy)[0] == 2
