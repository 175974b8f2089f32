# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A training's report: one HTML file that works offline, its tables as CSV, a TensorBoard log."""

from training.report.contents import Report, Samples
from training.report.writing import write_report

__all__ = ['Report', 'Samples', 'write_report']
