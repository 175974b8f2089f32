# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""A recording with what a bundle says of it: an MCAP file to open in Foxglove or RViz."""
