# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What depth tells beside distances: surface normals, HHA, and whether colour shows the same."""
