# SPDX-License-Identifier: Apache-2.0
"""Features, the same in training and in serving."""
