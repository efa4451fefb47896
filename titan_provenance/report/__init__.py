"""Verdicts, manifests and differences as text, JSON and GitHub annotations. No I/O."""
