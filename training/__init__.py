# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Learn a bundle from recorded bags, on a workstation."""
