// Verifies a bundle with @sigstore/verify and one public key, without logs and timestamps.
// usage: node sigstore_verify.mjs NODE_MODULES BUNDLE PUBLIC_KEY
// Prints "accepted" and the payload's SHA-256, or "rejected" and the code of the library's error.
import { createHash, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, bundleFile, keyFile] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { bundleFromJSON } = require("@sigstore/bundle");
const { TrustedRoot } = require("@sigstore/protobuf-specs");
const { VerificationError, Verifier, toSignedEntity, toTrustMaterial } = require("@sigstore/verify");

const sha256 = (bytes, form) => createHash("sha256").update(bytes).digest(form);
const spki = createPublicKey(readFileSync(keyFile)).export({ format: "der", type: "spki" });
const keys = { [sha256(spki, "base64")]: { rawBytes: spki } };
const trust = toTrustMaterial(TrustedRoot.fromJSON({}), keys);
const verifier = new Verifier(trust, { tlogThreshold: 0, timestampThreshold: 0 });

const bundle = bundleFromJSON(JSON.parse(readFileSync(bundleFile, "utf8")));
try {
  verifier.verify(toSignedEntity(bundle));
  console.log("accepted", sha256(bundle.content.dsseEnvelope.payload, "hex"));
} catch (error) {
  if (!(error instanceof VerificationError)) throw error;
  console.log("rejected", error.code);
}
