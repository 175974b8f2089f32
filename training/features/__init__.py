# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings become features: read, seen a little differently, and kept on disk as rows.

A recording's way: `reading` makes batches of it (`prefetch`, in processes beside), `views` shows it
a little differently, and `dataset` computes its features, or finds them, and joins the labels.
"""
