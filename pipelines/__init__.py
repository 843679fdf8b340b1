# SPDX-License-Identifier: Apache-2.0
"""Complete pipelines on real data, to run, read and copy."""
