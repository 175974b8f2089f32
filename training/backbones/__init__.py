# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Backbones learn on: from labelled frames, or one modality's from the other's.

`tuned` and `taught` do it for a session, in its `place`, with what its recordings have `shown`;
`finetune` and `teaching` are the learning itself. What comes of it is a weights file (`files`).
"""
