# SPDX-License-Identifier: Apache-2.0
"""`tfx.utils`: small helpers that pipelines, module files and executors of TFX import.

`io_utils`, `path_utils`, `proto_utils` and `json_utils` are all here.
"""

from __future__ import annotations

import datetime
import json
import os
import re
from collections.abc import Iterable
from typing import Any, TypeVar

from ...utils import storage
from ..base.artifact import Artifact
from . import file_io

P = TypeVar("P")

#: What parameters of TFX may hold.
JsonableType = Any

_FIRST_DAY = datetime.date(1970, 1, 1).toordinal()
_WARMUP = ("assets.extra", "tf_serving_warmup_requests")


def parse_pbtxt_file(file_name: str, message: P) -> P:
    """Reads protocol buffer text into a message, and returns it."""
    from google.protobuf import text_format

    text_format.Parse(storage.read_text(file_name), message)
    return message


def parse_json_file(file_name: str, message: P) -> P:
    """Reads protocol buffer JSON into a message, and returns it."""
    from google.protobuf import json_format

    json_format.Parse(storage.read_text(file_name), message)
    return message


def write_pbtxt_file(file_name: str, proto: Any) -> None:
    """Writes a message as text."""
    from google.protobuf import text_format

    write_string_file(file_name, text_format.MessageToString(proto))


def write_string_file(file_name: str, string_value: str) -> None:
    """Writes a text."""
    storage.make_dirs(os.path.dirname(file_name))
    storage.write_text_atomic(file_name, string_value)


def write_bytes_file(file_name: str, content: bytes) -> None:
    """Writes bytes."""
    storage.make_dirs(os.path.dirname(file_name))
    storage.write_bytes_atomic(file_name, content)


def write_tfrecord_file(file_name: str, *proto: Any) -> None:
    """Writes messages as TFRecords."""
    import tensorflow as tf

    storage.make_dirs(os.path.dirname(file_name))
    with tf.io.TFRecordWriter(file_name) as writer:
        for each in proto:
            writer.write(each.SerializeToString())


def read_string_file(file_name: str) -> str:
    """The text of a file.

    Raises:
        FileNotFoundError: It is not there.
    """
    return read_bytes_file(file_name).decode("utf-8")


def read_bytes_file(file_name: str) -> bytes:
    """The bytes of a file.

    Raises:
        FileNotFoundError: It is not there.
    """
    if not file_io.exists(file_name):
        raise FileNotFoundError(f"there is no file {file_name}")
    return storage.read_bytes(file_name)


def copy_file(src: str, dst: str, overwrite: bool = False) -> None:
    """Copies a file.

    Raises:
        OSError: The target exists, and is not to be overwritten.
    """
    storage.make_dirs(os.path.dirname(dst))
    file_io.copy(src, dst, overwrite=overwrite)


def copy_dir(
    src: str,
    dst: str,
    allow_regex_patterns: Iterable[str] = (),
    deny_regex_patterns: Iterable[str] = (),
) -> None:
    """Copies a folder, whose target is replaced; only files whose paths the patterns let pass."""
    allowed, denied = list(allow_regex_patterns), list(deny_regex_patterns)
    if file_io.exists(dst):
        file_io.rmtree(dst)
    storage.make_dirs(dst)
    for folder, _, names in file_io.walk(src):
        below = folder[len(src.rstrip("/")) :].strip("/")
        for name in names:
            path = "/".join(part for part in (below, name) if part)
            fits = not allowed or any(re.search(each, path) for each in allowed)
            if fits and not any(re.search(each, path) for each in denied):
                copy_file(os.path.join(folder, name), os.path.join(dst, path), overwrite=True)


def delete_dir(path: str) -> None:
    """Removes a folder, if it is there."""
    if file_io.isdir(path):
        file_io.rmtree(path)


def ensure_local(file_path: str) -> str:
    """A local copy of a file; a local one is its own.

    Raises:
        FileNotFoundError: It is not there.
    """
    if storage.is_local(file_path):
        return storage.local_path(file_path)
    target = os.path.basename(file_path)
    file_io.copy(file_path, target, overwrite=True)
    return target


def get_only_uri_in_dir(dir_path: str) -> str:
    """The only file or folder in a folder.

    Raises:
        RuntimeError: There is none, or there are several.
    """
    names = file_io.listdir(dir_path)
    if len(names) != 1:
        raise RuntimeError(f"{dir_path} should hold one file or folder, and holds {len(names)}")
    return os.path.join(dir_path, names[0].rstrip("/"))


def all_files_pattern(file_pattern: str) -> str:
    """A pattern of all files that begin so: `…/data` becomes `…/data*`."""
    return os.path.join(file_pattern, "*")


def load_csv_column_names(csv_file: str) -> list[str]:
    """Names in the first line of a CSV file."""
    import csv

    with file_io.open(csv_file) as opened:
        return next(csv.reader(opened))


class SchemaReader:
    """Reads schema files."""

    def read(self, schema_path: str) -> Any:
        """The schema in a file."""
        from tensorflow_metadata.proto.v0 import schema_pb2

        return parse_pbtxt_file(schema_path, schema_pb2.Schema())


def eval_model_dir(output_uri: str, is_old_artifact: bool = False) -> str:
    """Folder of the model for evaluation in a `Model` artifact."""
    return os.path.join(output_uri, "eval_model_dir" if is_old_artifact else "Format-TFMA")


def serving_model_dir(output_uri: str, is_old_artifact: bool = False) -> str:
    """Folder of the model that serves in a `Model` artifact."""
    return os.path.join(output_uri, "serving_model_dir" if is_old_artifact else "Format-Serving")


def eval_model_path(output_uri: str, is_old_artifact: bool = False) -> str:
    """The model for evaluation in a `Model` artifact; the one that serves where there is none."""
    found = eval_model_dir(output_uri, is_old_artifact)
    return found if file_io.exists(found) else serving_model_path(output_uri, is_old_artifact)


def serving_model_path(output_uri: str, is_old_artifact: bool = False) -> str:
    """The model that serves in a `Model` artifact."""
    found = serving_model_dir(output_uri, is_old_artifact)
    return found if file_io.exists(found) else output_uri


def is_old_model_artifact(model_artifact: Artifact) -> bool:
    """Whether a model has the layout of TFX below 0.29; none made here has."""
    return file_io.exists(serving_model_dir(model_artifact.uri, True))


def stamped_model_path(output_uri: str) -> str:
    """The model with warm-up requests in an `InfraBlessing` artifact."""
    return os.path.join(output_uri, "stamped_model")


def warmup_file_path(saved_model_path: str) -> str:
    """File of warm-up requests in a SavedModel."""
    return os.path.join(saved_model_path, *_WARMUP)


def proto_to_json(proto: Any) -> str:
    """A message as JSON text, with the names of its fields as they are declared."""
    from google.protobuf import json_format

    found: str = json_format.MessageToJson(proto, preserving_proto_field_name=True, sort_keys=True)
    return found


def proto_to_dict(proto: Any) -> dict[str, Any]:
    """A message as a dict, with the names of its fields as they are declared."""
    from google.protobuf import json_format

    found: dict[str, Any] = json_format.MessageToDict(proto, preserving_proto_field_name=True)
    return found


def json_to_proto(json_str: str, proto: P) -> P:
    """Reads JSON text into a message, and returns it; unknown fields are passed over."""
    from google.protobuf import json_format

    json_format.Parse(json_str, proto, ignore_unknown_fields=True)
    return proto


def dict_to_proto(json_dict: dict[Any, Any], proto: P) -> P:
    """Reads a dict into a message, and returns it; unknown fields are passed over."""
    from google.protobuf import json_format

    json_format.ParseDict(json_dict, proto, ignore_unknown_fields=True)
    return proto


def dumps(obj: Any) -> str:
    """`obj` as JSON text; messages are the dicts that they are."""
    from .messages import plain

    return json.dumps(plain(obj), sort_keys=True)


def loads(s: str) -> Any:
    """What a JSON text says."""
    return json.loads(s)


def make_default_input_config(split_pattern: str = "*") -> Any:
    """An `Input` of one split."""
    from .messages import message_file

    return message_file("example_gen_pb2").Input(
        splits=[{"name": "single_split", "pattern": split_pattern}]
    )


def make_default_output_config(input_config: Any) -> Any:
    """An `Output`: two thirds `train` and one `eval`, or the input's splits as they are."""
    from .messages import message_file

    file = message_file("example_gen_pb2")
    if len(input_config.splits) > 1:
        return file.Output(split_config=file.SplitConfig())
    splits = [{"name": "train", "hash_buckets": 2}, {"name": "eval", "hash_buckets": 1}]
    return file.Output(split_config=file.SplitConfig(splits=splits))


def date_to_span_number(year: int, month: int, day: int) -> int:
    """The span of a day: how many days it is after 1970-01-01."""
    return datetime.date(year, month, day).toordinal() - _FIRST_DAY


def span_number_to_date(span: int) -> tuple[int, int, int]:
    """Year, month and day of a span."""
    found = datetime.date.fromordinal(span + _FIRST_DAY)
    return found.year, found.month, found.day


def dict_to_example(instance: dict[str, Any]) -> Any:
    """A record as a `tf.train.Example`: whole numbers, other numbers, texts, bytes, or lists."""
    import tensorflow as tf

    features = {}
    for name, value in instance.items():
        values = list(value) if isinstance(value, (list, tuple)) else [value]
        values = [each for each in values if each is not None]
        if not values:
            features[name] = tf.train.Feature()
        elif isinstance(values[0], int):
            features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        elif isinstance(values[0], float):
            features[name] = tf.train.Feature(float_list=tf.train.FloatList(value=values))
        else:
            texts = [each if isinstance(each, bytes) else str(each).encode() for each in values]
            features[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=texts))
    return tf.train.Example(features=tf.train.Features(feature=features))
