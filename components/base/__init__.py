# SPDX-License-Identifier: Apache-2.0
"""Declaring: artifact types, channels, parameters, components, what executors get."""
