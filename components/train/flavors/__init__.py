# SPDX-License-Identifier: Apache-2.0
"""Model formats: recognising them, loading them safely, and predicting with any of them."""
