# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A training's report: one HTML file that works offline, and its tables as CSV."""

from training.report.contents import Report, Samples
from training.report.writing import write_report

__all__ = ['Report', 'Samples', 'write_report']
