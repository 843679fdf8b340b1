# SPDX-License-Identifier: Apache-2.0
"""The record of every run, in ML Metadata; the only code that talks to it."""
