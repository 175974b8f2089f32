# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What a trained model is worth, on recordings that it was not trained on.

`evaluate` counts its right answers in each mode, `trust` what it takes for unknown, and
`shared_space` shows where it puts the frames.
"""
