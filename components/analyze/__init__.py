# SPDX-License-Identifier: Apache-2.0
"""Judging models before anyone depends on them."""
