# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Tables 5 and 6, figure 6: the Washington RGB-D Object Dataset (§4.4)."""

from __future__ import annotations

from training.paper.washington.experiment import backbone_changes, run_table

__all__ = ['backbone_changes', 'run_table']
