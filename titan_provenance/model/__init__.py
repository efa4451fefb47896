"""Frozen values without I/O: digest, reference, release, fleet, verdict."""
