# SPDX-License-Identifier: Apache-2.0
"""Nodes that steer and compute nothing: importer, resolvers, conditions."""
