# Copyright 2026 The mm_perception authors
# SPDX-License-Identifier: Apache-2.0
"""Tables 1 to 4, figures 4 and 5: two modalities made from the digits of MNIST (§4.3)."""
