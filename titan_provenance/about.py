"""What this program is called in the documents that it writes."""

NAME = "titan-provenance"
VERSION = "0.1.0"
