# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A model learns from a table of features: the fit, its loop, its step, and what a kill leaves.

From the outside in: `fit` makes a model for a table (`joined`), `climb` goes through the epochs and
keeps a `checkpoint`, `step` changes the weights once. `distributed` shares that out among
processes, and `precision` tells in how many bits it multiplies.
"""
