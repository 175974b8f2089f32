# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The objects of a scene: what stands on a table, who is who from frame to frame."""
