# SPDX-License-Identifier: Apache-2.0
"""Handing models to what serves them."""
