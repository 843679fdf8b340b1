# SPDX-License-Identifier: Apache-2.0
"""Which product is a complaint about? From what consumers wrote, for routing it to a desk."""
