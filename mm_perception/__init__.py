# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Label what an RGB-D camera sees, and go on when one of its two eyes fails."""
