# SPDX-License-Identifier: Apache-2.0
"""Training code for the tests of distribution and checkpoints: no import of Penstock."""

from __future__ import annotations

import glob
import json
import os
import signal
from typing import Any

BATCH = 16
FEATURES = 4


def rows(fn_args: Any) -> tuple[Any, Any]:
    """Features and labels, in the order of the files."""
    import numpy as np
    import pyarrow.parquet as pq

    files = sorted(path for pattern in fn_args.train_files for path in glob.glob(pattern))
    table = np.concatenate([pq.read_table(f).to_pandas().to_numpy("float32") for f in files])
    return table[:, :FEATURES], table[:, FEATURES:]


def stumble(fn_args: Any, step: int) -> None:
    """Kills this process at the step and rank that the test named, the first time."""
    wanted = (fn_args.custom_config or {}).get("die")
    if wanted and wanted["step"] == step and wanted["rank"] == fn_args.worker_index:
        try:
            os.close(os.open(wanted["marker"], os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


def keep_curve(fn_args: Any, losses: list[float]) -> None:
    """Leaves the losses where the test looks."""
    if fn_args.is_chief:
        with open(fn_args.custom_config["curve"], "w", encoding="utf-8") as file:
            json.dump(losses, file)


def save(fn_args: Any, predict: Any) -> None:
    """A SavedModel with the signature that everything serves by."""
    import tensorflow as tf

    served = tf.Module()
    served.predict = predict
    signature = [tf.TensorSpec([None, FEATURES], tf.float32, name="x")]
    serve = tf.function(lambda x: {"outputs": predict(x)}, input_signature=signature)
    tf.saved_model.save(served, fn_args.serving_model_dir, signatures={"serving_default": serve})


def run_plain(fn_args: Any) -> dict[str, float]:
    """Logistic regression by TensorFlow alone, under any strategy for synchronous training."""
    import tensorflow as tf

    strategy = fn_args.distribution_strategy
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    dataset = tf.data.Dataset.from_tensor_slices(rows(fn_args)).repeat()
    dataset = dataset.batch(BATCH, drop_remainder=True).with_options(options)
    with strategy.scope():
        weights = tf.Variable(tf.ones([FEATURES, 1]) / 8)
        done = tf.Variable(0, dtype=tf.int64, trainable=False)
    kept = tf.train.Checkpoint(weights=weights, done=done)
    # All have to take part in saving; only the chief's files are used.
    folder = fn_args.checkpoint_dir if fn_args.is_chief else fn_args.working_dir
    manager = tf.train.CheckpointManager(kept, folder, max_to_keep=2)
    latest = tf.train.latest_checkpoint(fn_args.checkpoint_dir)
    if latest:
        kept.restore(latest)
    began = int(done.numpy())

    def one(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            each = tf.nn.sigmoid_cross_entropy_with_logits(y, x @ weights)
            loss = tf.reduce_sum(each) / BATCH
        (gradient,) = tape.gradient(loss, [weights])
        gradient = tf.distribute.get_replica_context().all_reduce("sum", gradient)
        weights.assign_sub(0.5 * gradient)
        return loss

    @tf.function
    def train(batch: Any) -> Any:
        losses = strategy.run(one, args=batch)
        return strategy.reduce("sum", losses, axis=None)

    losses = []
    for step, batch in enumerate(strategy.experimental_distribute_dataset(dataset.skip(began))):
        number = began + step + 1
        losses.append(float(train(batch)))
        done.assign_add(1)
        fn_args.report_progress(number, fn_args.train_steps, loss=losses[-1])
        manager.save()
        stumble(fn_args, number)
        if number >= fn_args.train_steps:
            break
    keep_curve(fn_args, losses)
    save(fn_args, linear(weights.numpy()))
    return {"began_at": float(began)}


def linear(trained: Any) -> Any:
    """A `tf.Module` that predicts by one matrix."""
    import tensorflow as tf

    class Linear(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = tf.Variable(trained)

        @tf.function(input_signature=[tf.TensorSpec([None, FEATURES], tf.float32)])
        def __call__(self, x: Any) -> Any:
            return x @ self.weights

    return Linear()


def run_warm(fn_args: Any) -> dict[str, float]:
    """Full-batch descent from the weights of the base model, if there is one."""
    import tensorflow as tf

    x, y = rows(fn_args)
    start = tf.zeros([FEATURES, 1])
    if fn_args.base_model:
        start = tf.saved_model.load(fn_args.base_model).predict.weights
    weights = tf.Variable(start)
    losses = []
    for step in range(fn_args.train_steps):
        with tf.GradientTape() as tape:
            each = tf.nn.sigmoid_cross_entropy_with_logits(y, x @ weights)
            loss = tf.reduce_mean(each)
        weights.assign_sub(fn_args.custom_config["rate"] * tape.gradient(loss, weights))
        losses.append(float(loss))
        fn_args.report_progress(step + 1, fn_args.train_steps, loss=losses[-1])
    save(fn_args, linear(weights.numpy()))
    return {"first_loss": losses[0], "warm": float(bool(fn_args.base_model))}


def run_unseen(fn_args: Any) -> None:
    """Saves a model that diverged, and says nothing of it."""
    save(fn_args, linear([[float("nan")]] * FEATURES))


def keras_model(keras: Any) -> Any:
    """A small network with fixed initial weights."""
    keras.utils.set_random_seed(3)
    layers = [keras.Input((FEATURES,)), keras.layers.Dense(4, activation="relu"),
              keras.layers.Dense(1, activation="sigmoid")]  # fmt: skip
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
    return model


def run_keras(fn_args: Any) -> Any:
    """The same by Keras's `fit`."""
    import keras
    import tensorflow as tf

    with fn_args.distribution_strategy.scope():
        model = keras_model(keras)

    class Stumble(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            stumble(fn_args, int(model.optimizer.iterations.numpy()))

    dataset = tf.data.Dataset.from_tensor_slices(rows(fn_args)).batch(BATCH, drop_remainder=True)
    callbacks = [*fn_args.keras_callbacks(), Stumble()]
    history = model.fit(dataset, epochs=4, verbose=0, callbacks=callbacks)
    keep_curve(fn_args, history.history["loss"])
    model.export(fn_args.serving_model_dir, verbose=False)
    return history


def run_servers(fn_args: Any) -> dict[str, float]:
    """Asynchronous training with parameter servers."""
    import tensorflow as tf

    strategy = fn_args.distribution_strategy
    x, y = rows(fn_args)
    with strategy.scope():
        weights = tf.Variable(tf.zeros([FEATURES, 1]))

    @tf.function
    def train(x: Any, y: Any) -> Any:
        def one(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                each = tf.nn.sigmoid_cross_entropy_with_logits(y, x @ weights)
                loss = tf.reduce_mean(each)
            (gradient,) = tape.gradient(loss, [weights])
            weights.assign_sub(0.5 * gradient)
            return loss

        return strategy.run(one, args=(x, y))

    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    for step in range(fn_args.train_steps):
        part = slice(step * BATCH % len(x), step * BATCH % len(x) + BATCH)
        last = coordinator.schedule(train, args=(tf.constant(x[part]), tf.constant(y[part])))
    coordinator.join()
    loss = float(coordinator.fetch(last))
    fn_args.report_progress(fn_args.train_steps, fn_args.train_steps, loss=loss)
    save(fn_args, linear(weights.numpy()))
    return {"where": float("ps" in weights.device)}


def run_torch(fn_args: Any) -> dict[str, float]:
    """Logistic regression by PyTorch, each process on its share of every batch."""
    import torch

    strategy = fn_args.distribution_strategy
    x, y = (torch.from_numpy(part) for part in rows(fn_args))
    torch.manual_seed(3)
    model = strategy.wrap(torch.nn.Linear(FEATURES, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    path = os.path.join(fn_args.checkpoint_dir, "last.pt")
    began = 0
    if os.path.exists(path):
        state = torch.load(path, weights_only=True)
        model.load_state_dict(state["model"])
        began = state["step"]
    losses = []
    for step in range(began, fn_args.train_steps):
        batch = torch.arange(step * BATCH, (step + 1) * BATCH) % len(x)
        mine = batch[strategy.rank :: strategy.world_size]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x[mine]), y[mine])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total = loss.detach().clone()
        if strategy.world_size > 1:
            torch.distributed.all_reduce(total)
        losses.append(float(total) / strategy.world_size)
        fn_args.report_progress(step + 1, fn_args.train_steps, loss=losses[-1])
        if fn_args.is_chief:
            torch.save({"model": model.state_dict(), "step": step + 1}, path + ".new")
            os.replace(path + ".new", path)
        stumble(fn_args, step + 1)
    keep_curve(fn_args, losses)
    if fn_args.is_chief:
        plain = getattr(model, "module", model)
        exported = torch.export.export(
            plain.eval(), (x[:4],), dynamic_shapes=({0: torch.export.Dim("rows", min=2)},)
        )
        torch.export.save(exported, os.path.join(fn_args.serving_model_dir, "model.pt2"))
    return {"began_at": float(began)}
