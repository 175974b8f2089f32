# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Frames that the node was unsure of, kept to be labelled by a person and learned from."""
