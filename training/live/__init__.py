# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""The robot's node on a recording: played, listened to and judged by processes of their own."""
