"""Statements, envelopes, bundles, trust and their verification: bytes in, verified values out."""
