# SPDX-License-Identifier: Apache-2.0
"""The Airflow runner: pipelines as DAG files that need nothing of Penstock to be read."""
