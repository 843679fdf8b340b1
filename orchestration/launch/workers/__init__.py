# SPDX-License-Identifier: Apache-2.0
"""The processes in which executors run.

    launcher ──WorkSpec──▶ WorkerPool ──▶ a light worker (reused), or
                                          a heavy worker (forked from a server that has
                                          TensorFlow and its like already imported)
             ◀─WorkResult / error──

`pool` is what the launcher calls; `worker_main` is what runs on the other side. Nothing is
imported here, because each worker imports this package when it starts.
"""
