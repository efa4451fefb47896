"""The command line: one file per command, each parses options, calls one function and renders."""

# All commands in the order in which they are used; the module of each has its name.
COMMANDS = {
    "init": "Write a fleet file from the compose files found.",
    "doctor": "Say what is ready and how to fix what is not.",
    "demo": "Show the whole path on a small embedded fleet, offline.",
    "manifest": "Build, show and compare release manifests.",
    "sign": "Sign a release manifest.",
    "verify": "Verify a release (the same as verify-release).",
    "keys": "Make and show managed keys.",
    "trust": "Read and change the trust policy.",
    "sbom": "Make, check, compare and convert bills of materials.",
    "cache": "Show and prune the cache of layers.",
    "schema": "Print a JSON Schema of the project.",
    "completion": "Print the completion script of a shell.",
}
