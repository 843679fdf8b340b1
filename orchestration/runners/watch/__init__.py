# SPDX-License-Identifier: Apache-2.0
"""Runs a pipeline when there is a reason to: new data, an alarm, a moment that has come."""
