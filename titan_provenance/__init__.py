"""Release provenance for fleets of containers.

The public API is what `__all__` names; everything is imported when it is first used, so that
`verify-release` loads nothing that it does not need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from titan_provenance.about import VERSION

if TYPE_CHECKING:
    from titan_provenance.attest.trust import TrustPolicy, load_trust
    from titan_provenance.attest.verify import verify_release
    from titan_provenance.errors import TitanProvenanceError, VerificationError
    from titan_provenance.model.release import Release


__version__ = VERSION

__all__ = [
    "Release",
    "TitanProvenanceError",
    "TrustPolicy",
    "VerificationError",
    "__version__",
    "load_trust",
    "verify_release",
]

_HOMES = {
    "Release": "titan_provenance.model.release",
    "TitanProvenanceError": "titan_provenance.errors",
    "TrustPolicy": "titan_provenance.attest.trust",
    "VerificationError": "titan_provenance.errors",
    "load_trust": "titan_provenance.attest.trust",
    "verify_release": "titan_provenance.attest.verify",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
