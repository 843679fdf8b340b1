# SPDX-License-Identifier: Apache-2.0
"""Trains a small PyTorch module and exports it."""

from __future__ import annotations

import glob
from typing import Any

import pyarrow.parquet as pq
import torch


class Scorer(torch.nn.Module):
    """Logistic regression over two columns."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, amount: torch.Tensor, hours: torch.Tensor) -> torch.Tensor:
        """The chance, row by row."""
        return torch.sigmoid(self.layer(torch.stack([amount, hours], dim=1)))[:, 0]


def run_fn(fn_args: Any) -> None:
    """The entry point."""
    torch.manual_seed(0)
    files = sorted(name for pattern in fn_args.train_files for name in glob.glob(pattern))
    table = pq.ParquetDataset(files).read()
    amount, hours, label = (
        torch.tensor(table[name].to_numpy(), dtype=torch.float32)
        for name in ("amount", "hours", "label")
    )
    model = Scorer()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy(model(amount, hours), label).backward()
        optimizer.step()
    rows = torch.export.Dim("rows")
    exported = torch.export.export(
        model.eval(),
        (amount[:3], hours[:3]),
        dynamic_shapes={"amount": {0: rows}, "hours": {0: rows}},
    )
    torch.export.save(exported, f"{fn_args.serving_model_dir}/model.pt2")
