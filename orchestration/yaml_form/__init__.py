# SPDX-License-Identifier: Apache-2.0
"""Pipelines written in YAML: read into pipeline objects, and written from them."""
