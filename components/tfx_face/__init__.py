# SPDX-License-Identifier: Apache-2.0
"""What stands behind `penstock.tfx`: TFX's names, translated to native objects.

It lies above the other components, which it wraps; its runners are in
`orchestration/runners/tfx_runners`, above these.
"""
