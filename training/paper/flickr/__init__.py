# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Photographs and their tags: representations without labels, judged by ranking 38 classes."""

from __future__ import annotations

from training.paper.flickr.experiment import run_flickr
from training.paper.flickr.files import SPLITS

__all__ = ['SPLITS', 'run_flickr']
