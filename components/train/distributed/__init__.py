# SPDX-License-Identifier: Apache-2.0
"""Training that is shared among devices and processes."""
