# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What training reads: bags and labels, and the Washington RGB-D Object Dataset.

A bag's way: `finding` locates it, `storage` opens it (with `mcap_mending` after a killed recorder),
`topics` chooses its cameras, `bags` replays it as the robot would have seen it, `labels` says what
it shows, and `sources` gives it to the features.
"""
