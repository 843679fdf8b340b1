# SPDX-License-Identifier: Apache-2.0
"""Searching for hyperparameters: studies, their tables and plots, and the two engines."""
