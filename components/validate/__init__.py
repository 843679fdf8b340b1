# SPDX-License-Identifier: Apache-2.0
"""Statistics, schemas, and what in the data does not fit them."""
