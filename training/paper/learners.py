# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What results call frozen backbones, and who learns with few labels; read without torch."""

from __future__ import annotations

FROZEN = 'frozen'
"""Before a backbone's name: it was not fine-tuned."""

TAUGHT = 'taught'
"""Before a backbone's name: not fine-tuned either, but RGB's taught depth's."""

LINEAR = 'linear'
LABELLED_ONLY = 'ss_hmvae_kl, labelled only'
SEMI_SUPERVISED = 'ss_hmvae_kl'
LEARNERS = (LINEAR, LABELLED_ONLY, SEMI_SUPERVISED)
"""Of the experiment with few labels."""
