"""The `copyright` file of a Debian package: the licences that it declares.

Where the file is machine-readable (Debian's copyright-format 1.0) those of its `License` fields;
else those whose text it points to in `/usr/share/common-licenses`, and a few licences known by a
sentence that only they have.
"""

from __future__ import annotations

import re

from titan_provenance.cataloger.interface import Addition, Cataloger, Found
from titan_provenance.cataloger.text import decode, line, unique

_MACHINE_READABLE = re.compile(
    r"^Format(?:-Specification)?:.*(?:copyright-format|dep5)", re.MULTILINE
)
# A literal start, so that the search runs as fast as memchr.
_LICENSE = re.compile(r"\nLicense:[ \t]*(\S[^\n]*)")
_COMMON = re.compile(r"/usr/share/common-licenses/([A-Za-z0-9][A-Za-z0-9.+-]*)")
_SENTENCES = (
    ("MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy"),
    ("BSD-4-Clause", "advertising materials mentioning features or use of this software must"),
    ("BSD-3-Clause", "be used to endorse or promote products derived from this software"),
    ("BSD-2-Clause", "Redistribution and use in source and binary forms, with or without"),
    ("ISC", "Permission to use, copy, modify, and/or distribute this software for any purpose"),
    ("Zlib", "This software is provided 'as-is', without any express or implied"),
)
_SPACE = re.compile(r"[\s*#]+")
_MAX_LICENSES = 100
_HEAD = 1000


def parse(path: str, data: bytes) -> Found:
    """Return the licences as declared, each once, in the order of the file."""
    name = path.rsplit("/", 2)[-2]
    text = decode(data)
    if _MACHINE_READABLE.search(text, 0, _HEAD):
        licenses = [line(match) for match in _LICENSE.findall(text)]
    else:
        licenses = [match.rstrip(".-") for match in _COMMON.findall(text)] + _by_sentence(text)
    found = unique(licenses)[:_MAX_LICENSES]
    return Found(additions=(Addition(type="deb", key=name, licenses=found),) if found else ())


def _by_sentence(text: str) -> list[str]:
    flat = _SPACE.sub(" ", text)
    found = [name for name, sentence in _SENTENCES if sentence in flat]
    # The BSD licences share their sentences: the one with most clauses is meant.
    clauses = [name for name in found if name.startswith("BSD")]
    return [name for name in found if name not in clauses[1:]]


CATALOGER = Cataloger(
    name="dpkg-copyright",
    version=1,
    pattern=r"(?:[^/]+/)*usr/share/doc/[^/]+/copyright",
    endings=("/copyright",),
    max_size=2 * 1024 * 1024,
    parse=parse,
)
