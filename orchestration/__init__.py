# SPDX-License-Identifier: Apache-2.0
"""How nodes become runs: pipeline, intermediate representation, launcher, runners."""
