# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The papers' tables on the screen, with what was measured here in the same cells."""

from __future__ import annotations

from training.paper.tables.depth_encodings import print_depth_encodings
from training.paper.tables.few_labels import print_few_labels
from training.paper.tables.printing import print_table

__all__ = ['print_depth_encodings', 'print_few_labels', 'print_table']
