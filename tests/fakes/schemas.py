"""The published schemas of CycloneDX, as cyclonedx-python-lib ships them."""

import functools
import importlib.resources
import json

import jsonschema_rs

_SHARED = ("spdx", "jsf-0.82", "cryptography-defs")


@functools.cache
def cyclonedx_validators():
    """Return a validator for each version that is written here."""
    resources = []
    for name in _SHARED:
        document = _schema(f"{name}.SNAPSHOT.schema.json")
        places = (f"{name}.schema.json", f"{name}.SNAPSHOT.schema.json")
        resources += [(f"http://cyclonedx.org/schema/{place}", document) for place in places]
    registry = jsonschema_rs.Registry(resources)
    return {
        version: jsonschema_rs.validator_for(
            _schema(f"bom-{version}.SNAPSHOT.schema.json"), registry=registry
        )
        for version in ("1.6", "1.7")
    }


def _schema(name):
    folder = importlib.resources.files("cyclonedx.schema") / "_res"
    return json.loads((folder / name).read_text())
