# SPDX-License-Identifier: Apache-2.0
"""Searching over whole pipelines: each trial is a run."""
