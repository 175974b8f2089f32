# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The papers' experiments: each published table and figure, with ours beside it."""
