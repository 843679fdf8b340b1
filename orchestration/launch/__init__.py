# SPDX-License-Identifier: Apache-2.0
"""The launcher: resolve, fingerprint, reuse, register, execute, digest, publish."""
