# SPDX-License-Identifier: Apache-2.0
"""What Penstock costs, measured; ratios within one run, so that machines can differ."""
