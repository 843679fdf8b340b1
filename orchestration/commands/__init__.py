# SPDX-License-Identifier: Apache-2.0
"""The commands of the command line, a file for each or for a group of them."""
