# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Labels the pleasant way: a local page that shows recordings by likeness, and what to ask next."""
