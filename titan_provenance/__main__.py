"""`python -m titan_provenance`."""

from titan_provenance.cli.main import main

main()
