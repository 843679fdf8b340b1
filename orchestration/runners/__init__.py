# SPDX-License-Identifier: Apache-2.0
"""What decides when and where each node runs; the launcher does the rest."""
