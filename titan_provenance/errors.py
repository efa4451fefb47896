"""Every error that the toolkit raises, and the exit code that each one stands for.

::

    TitanProvenanceError
    ├── UsageError              2  the command line asks for something that cannot be
    ├── DocumentError           2  a file is not what it should be (carries file, line, column)
    ├── VerificationError       1  checked, and it does not hold
    └── CouldNotCheckError      3  nothing can be said: unreachable, unreadable, missing
        ├── UnreadableError     3  a local file or directory cannot be read or written
        ├── RegistryError       3  a registry did not answer as the distribution API says
        └── EngineError         3  the Docker engine is not reachable or refuses

"Does not hold" and "could not check" are different answers, and neither is a pass.
"""

from __future__ import annotations


class TitanProvenanceError(Exception):
    """Root of all errors of the toolkit: one line of what happened, one line of what to do."""

    exit_code = 3
    code = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(TitanProvenanceError):
    """The command line or the call asks for something that cannot be."""

    exit_code = 2
    code = "usage"


class DocumentError(TitanProvenanceError):
    """A document is not what it should be.

    ``file``, ``line`` and ``column`` (both from 1, 0 where unknown) say where.
    """

    exit_code = 2
    code = "document"

    def __init__(
        self, message: str, *, hint: str = "", file: str = "", line: int = 0, column: int = 0
    ) -> None:
        super().__init__(message, hint=hint)
        self.file = file
        self.line = line
        self.column = column


class VerificationError(TitanProvenanceError):
    """Something was checked and does not hold."""

    exit_code = 1
    code = "verification"


class CouldNotCheckError(TitanProvenanceError):
    """Nothing can be said about what was asked: unreachable, unreadable or missing."""

    exit_code = 3
    code = "could-not-check"


class UnreadableError(CouldNotCheckError):
    """A local file or directory cannot be read or written as it must be."""

    code = "unreadable"


class RegistryError(CouldNotCheckError):
    """A registry could not be reached or did not answer as the distribution API says."""

    code = "registry"


class EngineError(CouldNotCheckError):
    """The Docker engine could not be reached or refused."""

    code = "engine"
