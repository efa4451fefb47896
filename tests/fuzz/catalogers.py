"""Fuzzes one cataloger, or the scanner of executables, from the samples of the tests.

    pip install atheris
    python tests/fuzz/catalogers.py NAME [corpus directory] [-max_total_time=300]

NAME is that of a cataloger, `executable`, or `list` to show all. Any exception but ParseError, and
any answer that does not come back from JSON, is a finding.
"""

import contextlib
import json
import os
import sys
import tempfile

import atheris

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

with atheris.instrument_imports(include=["titan_provenance"]):
    from titan_provenance.cataloger.executable import open_scanner
    from titan_provenance.cataloger.interface import Found, ParseError
    from titan_provenance.cataloger.select import CATALOGERS

from cataloger.samples import EXECUTABLES, FILES

EXECUTABLE = "executable"


def check(found):
    assert Found.from_json(json.loads(json.dumps(found.to_json()))) == found
    for package in found.packages:
        package.purl.encode("ascii")


def fuzz_cataloger(name):
    cataloger = next(each for each in CATALOGERS if each.name == name)
    path, _ = FILES[name]

    def one(data):
        with contextlib.suppress(ParseError):
            check(cataloger.parse(path, data))

    return one


def fuzz_executable(data):
    # The first byte chooses the name and the size of the pieces.
    paths = [path for path, _ in EXECUTABLES.values()]
    choice, data = data[:1] or b"\0", data[1:]
    scanner = open_scanner(paths[choice[0] % len(paths)], data[:4096], executable=True)
    size = 16 + choice[0] * 16
    if scanner:
        for start in range(0, len(data), size):
            scanner.feed(data[start : start + size])
        check(scanner.finish())


def main():
    name, *options = sys.argv[1:] or ["list"]
    if name == "list":
        sys.stdout.write("\n".join([*FILES, EXECUTABLE, ""]))
        return
    seeds = [FILES[name][1]] if name in FILES else []
    if name == EXECUTABLE:
        seeds = [bytes([index]) + data for index, (_, data) in enumerate(EXECUTABLES.values())]
    with tempfile.TemporaryDirectory() as directory:
        for index, seed in enumerate(seeds):
            with open(f"{directory}/{index}", "wb") as file:
                file.write(seed)
        one = fuzz_executable if name == EXECUTABLE else fuzz_cataloger(name)
        atheris.Setup([sys.argv[0], *options, directory], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
