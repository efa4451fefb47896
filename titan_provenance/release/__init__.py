"""The release manifest from digests, and the gate that a host passes before it deploys."""
