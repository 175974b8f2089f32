# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The path from a crop to its probabilities as one piece of a GPU's work.

For one image, starting a hundred kernels takes longer than they do, and so does waiting for each
stage. Here the crop is uploaded as it is, and what comes back is what the model says in every mode.
"""
