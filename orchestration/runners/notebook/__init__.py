# SPDX-License-Identifier: Apache-2.0
"""Pipelines cell by cell."""
