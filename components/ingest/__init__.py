# SPDX-License-Identifier: Apache-2.0
"""Bringing data in."""
