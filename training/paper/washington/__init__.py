# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The Washington RGB-D Object Dataset: tables 5 and 6, figure 6 (§4.4), and our own questions."""

from __future__ import annotations

from training.paper.washington.depth_encodings import run_depth_encodings
from training.paper.washington.experiment import backbone_changes, run_table
from training.paper.washington.features import Setting
from training.paper.washington.few_labels import run_few_labels

__all__ = ['Setting', 'backbone_changes', 'run_depth_encodings', 'run_few_labels', 'run_table']
