# SPDX-License-Identifier: Apache-2.0
"""What a node is (base), and the standard nodes, in the order of a model's life."""
