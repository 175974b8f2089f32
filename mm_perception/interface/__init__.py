# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""What the node has to do with ROS: transitions, parameters, messages, diagnostics, the process."""
