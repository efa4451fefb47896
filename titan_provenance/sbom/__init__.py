"""Bills of materials of images: packages ↔ CycloneDX and SPDX, quality, the layer cache."""
