# SPDX-License-Identifier: Apache-2.0
"""Running a pipeline on this machine."""
