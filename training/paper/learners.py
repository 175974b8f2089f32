# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What results call backbones, forms of depth, and who learns with few labels; without torch."""

from __future__ import annotations

FROZEN = 'frozen'
"""Before a backbone's name: it was not fine-tuned."""

TAUGHT = 'taught'
"""Before a backbone's name: not fine-tuned either, but RGB's taught depth's."""

WAYS = (FROZEN, TAUGHT)
"""What becomes of depth's backbone."""

ENCODINGS = ('jet', 'normals', 'hha')
"""In which form depth is given, the papers' first."""

LINEAR = 'linear'
LABELLED_ONLY = 'ss_hmvae_kl, labelled only'
SEMI_SUPERVISED = 'ss_hmvae_kl'
LEARNERS = (LINEAR, LABELLED_ONLY, SEMI_SUPERVISED)
"""Of the experiment with few labels."""
