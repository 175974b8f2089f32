# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Which engines suit a bundle: each is tried, and int8 networks are kept if they are good."""
