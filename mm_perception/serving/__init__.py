# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""From messages to labels while the node is active: who asks, who waits, who shares."""
