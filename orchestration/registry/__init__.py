# SPDX-License-Identifier: Apache-2.0
"""The registry of models: versions, stages, what changed between them, and what made them."""
