# SPDX-License-Identifier: Apache-2.0
"""Storage, hashing, logging, loading of modules: nothing here knows of pipelines."""
