# SPDX-License-Identifier: Apache-2.0
"""Moving a project from TFX: its imports rewritten, and what else needs a hand, named."""
