"""Catalogers: bytes of one file in an image → the packages it speaks of. One file per format."""
