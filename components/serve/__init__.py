# SPDX-License-Identifier: Apache-2.0
"""Serving models, and proving beforehand that they can be served."""
