"""The release: its manifest from digests, the gate before a deploy, and how a fleet starts."""
