# SPDX-License-Identifier: Apache-2.0
"""Pipelines on Kubeflow Pipelines: every node one container."""
