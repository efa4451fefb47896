"""The rules of each ecosystem on short lists, oldest first; what stands in one line is equal."""

import shutil
import subprocess
from itertools import combinations, pairwise

import pytest

from titan_provenance.version import VersionError, compare, key

OLDEST_FIRST = {
    "Debian": """
        0~~ 0:0~~
        0~
        0 00 0-0 0-00 0:0
        0-0a
        0.1~rc1-1
        0.1-1~deb12u1
        0.1-1
        0.1-1a
        0.1-1+b1
        0.1-1.1
        0.1a-1
        0.1+dfsg-1
        0.1-2-1
        0.1.1
        0.9
        0.10
        2.7.4+reloaded2-13ubuntu1
        2.7.4+reloaded2-13+deb9u1
        1:0.1
        2:0.0~git20170407-5
    """,
    "Alpine": """
        1.2_alpha_pre2
        1.2_alpha
        1.2_alpha2
        1.2_beta1
        1.2_pre1
        1.2_rc1-r0
        1.2_rc1-r9
        1.2_blah 1.2_csv2 1.2-r1-1
        1.2
        1.2-r0 1.2-r
        1.2-r1 1.2-r01
        1.2_cvs1
        1.2_svn1
        1.2_git20240101
        1.2_git20240102-r1
        1.2_hg1
        1.2_p1
        1.2_p2-r3
        1.2a
        1.2b
        1.2b1
        1.2.0
        1.2.05
        1.2.1
        1.9
        1.10
        6.6.2_p2
        6.6.2p1
        6.6.2p2
        013
        14
    """,
    "npm": """
        1.0.0-0
        1.0.0-2
        1.0.0-11
        1.0.0-R2
        1.0.0-alpha 1.0.0alpha v1.0.0-alpha
        1.0.0-alpha.1
        1.0.0-alpha.beta
        1.0.0-r100
        1.0.0-r2
        1.0.0 1 1.0 v1.0.0 =1.0.0 1.0.0+build 1.0.0+other
        1.0.0.1
        1.0.1
        1.2.0
        1.10.0
        1.10.99999999999999999999
    """,
    "Go": """
        v0.0.0-20190308221718-c2843e01d9a2
        v0.0.0-20200221231518-2aa609cf4a9d
        v1.2.3-0.20191109021931-daa7c04131f5
        v1.2.3-rc.1
        v1.2.3-rc.1.0.20191109021931-daa7c04131f5
        v1.2.3 1.2.3
        1.19.0-0
        1.19beta1 1.19.0-beta.1 go1.19beta1
        go1.19rc2 1.19.0-rc.2
        go1.19rc10
        go1.19 1.19.0 v1.19 go1.19.0
        go1.19.1
        v2.0.0+incompatible v2.0.0
    """,
    "PyPI": """
        unknown
        0.1-bulbasaur
        0.1-charmander
        0.9-ivysaur
        0.9-9 0.9.post9
        1.0.dev0
        1.0a0.dev1
        1.0a0 1.0-alpha 1.0.ALPHA0
        1.0b2
        1.0rc1 1.0c1 1.0-preview-1
        1.0 1 v1.0 1.0.0
        1.0+local.a
        1.0+local.1
        1.0.post1.dev3
        1.0.post1 1.0-1 1.0.r1
        1.0.1
        1.10
        1!0.1
    """,
    "Red Hat": """
        ~ ~+
        a:1
        1.0~rc1-1
        1.0~rc1^git1-1
        1.0 1_0 1.0. 01.00
        1.0- 1-0-
        1.0-1 0:1.0-1 :1.0-1
        1.0-1.el9
        1.0-2
        1.0-229.el7
        1.0-229.1.2.ael7b
        1.0-229.1.2.el7
        1.0^git1-1
        1.0a
        1.0aa
        1.0.1
        1.9
        1.10
        1:0.1
    """,
    "Maven": """
        1-alpha 1.alpha 1-ALPHA
        1-alpha-1 1a1 1-alpha1 1.0.0.alpha-1
        1-beta-1 1b1
        1-milestone-2 1.0.M2
        1-rc 1.0.CR
        1-rc-1 1.0.0.RC1
        1-SNAPSHOT 1.0.0-snapshot
        1 1.0 1.0.0 1-0 1.ga 1.0.Final 1.0.0-RELEASE 1- 1.
        1-sp
        1-a
        1-xyz 1.xyz
        1-1 1.0-1 1-ga-1
        1-2
        1.0.1-jre7
        1.0.1-jre8
        1.2
        1.10
        20190126.230843
        12345678901234567890.1H.5-beta
    """,
    "RubyGems": """
        1.0.a.0.b
        1.0.a 1.a
        1.0.a.2 1.0.a2
        1.0.a9
        1.0.a10 1.0.a.10
        1.0.b1
        1.0.pre
        1.0-1 1.0.pre.1
        1.0.rc1
        1 1.0 1.0.0
        1.0.0.1
        1.2
        1.10
    """,
    "Packagist": """
        dev-main
        1.0-dev
        1.0-alpha 1.0a 1.0.0-ALPHA
        1.0-alpha1 1.0a1
        1.0-beta2.1 1.0-b.2.1
        1.0-RC1 1.0rc1 v1.0.0.rc.1
        1.0 1 v1.0.0 V1.0.0.0
        1.0pl1 1.0-p1 1.0-patch1
        1.0.1
        1.10
        1.x-dev
        2.0
    """,
    "NuGet": """
        1.0.0-alpha
        1.0.0-BETA 1.0.0-beta+AA
        1.0.0-beta.2
        1.0.0-beta.11
        1.0.0-beta2
        1.0 1.0.0 1.0.0.0 1.0.00.0+x
        1.0.0.1-pre
        1.0.0.1
        1.0.1
    """,
    "Pub": """
        1.0.0-pre
        1.0.0-pre+build
        1.0.0
        1.0.0+2
        1.0.0+10
        1.0.0+a
    """,
    "Hackage": "0\n0.1.26.0\n1\n1.0\n1.0.0\n1.2\n1.10",
    "CRAN": "0.01\n0.1-0 0.01.0\n0.1-2\n0.9\n0.75\n1.0\n1.0.1",
}

NO_VERSION = {
    "Debian": ["", "1 0", ":1", "a:1", "-1:1", "1:", "1.0-ä"],
    "npm": ["", "latest", "*", "^1.0.0", "1.x", "1.0.0-", "1.0.0-a..b", "file:../x", "1.0.0 - 2"],
    "Go": ["", "(devel)", "go", "main", "v"],
    "NuGet": ["", "[1.0,2.0)", "1.0.*"],
    "Pub": ["any", "^1.0.0"],
    "RubyGems": ["beta", "1..2", "~> 1.0", "1.0_1"],
    "Hackage": ["", "1.", "1-0", "a"],
    "CRAN": ["", "1.", "1--0", "a"],
}


def lines_of(ecosystem):
    return [line.split() for line in OLDEST_FIRST[ecosystem].strip().splitlines()]


@pytest.mark.parametrize("ecosystem", OLDEST_FIRST)
def test_each_line_is_older_than_all_below(ecosystem):
    for older, newer in combinations(lines_of(ecosystem), 2):
        for a in older:
            for b in newer:
                assert compare(ecosystem, a, b) == -1, f"{a} < {b}"
                assert compare(ecosystem, b, a) == 1, f"{b} > {a}"


@pytest.mark.parametrize("ecosystem", OLDEST_FIRST)
def test_what_stands_in_one_line_is_equal(ecosystem):
    for line in lines_of(ecosystem):
        for a, b in combinations(line, 2):
            assert compare(ecosystem, a, b) == 0, f"{a} = {b}"


@pytest.mark.parametrize(
    ("ecosystem", "version"),
    [(ecosystem, version) for ecosystem, versions in NO_VERSION.items() for version in versions],
)
def test_what_the_rules_do_not_read_is_no_version(ecosystem, version):
    with pytest.raises(VersionError, match="is no version by the rules of"):
        key(ecosystem, version)


def test_the_version_with_which_the_go_toolchain_names_its_experiments_is_read():
    assert compare("Go", "go1.19.3 X:boringcrypto", "1.19.3") == 0


@pytest.mark.skipif(not shutil.which("dpkg"), reason="dpkg is not installed")
def test_dpkg_agrees():
    lines = lines_of("Debian")
    pairs = [(a, "lt", b) for (a, *_), (b, *_) in pairwise(lines)]
    pairs += [(line[0], "eq", same) for line in lines for same in line[1:]]
    for a, relation, b in pairs:
        subprocess.run(["dpkg", "--compare-versions", a, relation, b], check=True)
