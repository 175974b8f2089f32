# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Compressed images' formats: PNG, JPEG and RVL, as ROS wraps them."""
