# SPDX-License-Identifier: Apache-2.0
"""A transform without TensorFlow: scikit-learn transformers, or functions over Arrow tables."""
