import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from license_expression import get_spdx_licensing

from titan_provenance.sbom.licenses import license_references, spdx_expression


@pytest.mark.parametrize(
    ("declared", "expression"),
    [
        ([], ""),
        ([""], ""),
        (["UNKNOWN"], ""),
        (["MIT"], "MIT"),
        (["mit"], "MIT"),
        (["MIT License"], "MIT"),
        (["The Apache License, Version 2.0"], "Apache-2.0"),
        (["Apache Software License"], "Apache-2.0"),
        (["GPL-2+"], "GPL-2.0-or-later"),
        (["GPL-2.0"], "GPL-2.0-only"),
        (["GPL-2 with Classpath"], "LicenseRef-GPL-2-with-Classpath"),
        (["BSD-3-Clause and GPL-2"], "BSD-3-Clause AND GPL-2.0-only"),
        (["(MIT OR Apache-2.0)"], "MIT OR Apache-2.0"),
        (["MIT OR Apache-2.0", "ISC"], "ISC AND (MIT OR Apache-2.0)"),
        (["ISC", "MIT", "ISC"], "ISC AND MIT"),
        (["GPL-3.0-or-later WITH GCC-exception-3.1"], "GPL-3.0-or-later WITH GCC-exception-3.1"),
        (["LicenseRef-own"], "LicenseRef-own"),
        (["MIT AND ISC", "ISC", "MIT AND (ISC OR Zlib)"], "ISC AND (ISC OR Zlib) AND MIT"),
        (["SEE LICENSE IN x/y.txt"], "LicenseRef-SEE-LICENSE-IN-x-y.txt"),
        (["UNLICENSED"], "LicenseRef-UNLICENSED"),
        (["public domain"], "LicenseRef-public-domain"),
        (["BSD"], "LicenseRef-BSD"),
        (["a\nb\tc"], "LicenseRef-a-b-c"),
        (["!!!"], ""),
    ],
)
def test_declared_licences_become_one_expression(declared, expression):
    assert spdx_expression(declared) == expression


def test_references_in_expressions():
    assert license_references(["MIT OR LicenseRef-b", "LicenseRef-a AND LicenseRef-b", ""]) == [
        "LicenseRef-a",
        "LicenseRef-b",
    ]


@settings(max_examples=40)
@given(
    st.lists(st.text(max_size=30) | st.sampled_from(["MIT", "GPL-2+", "ISC OR MIT"]), max_size=4)
)
def test_any_text_gives_an_expression_that_parses(declared):
    expression = spdx_expression(declared)
    if expression:
        get_spdx_licensing().parse(expression, validate=False)
    assert spdx_expression(reversed(declared)) == expression
