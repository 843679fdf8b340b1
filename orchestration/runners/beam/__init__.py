# SPDX-License-Identifier: Apache-2.0
"""The Beam runner: nodes run on the workers of a Beam runner."""
