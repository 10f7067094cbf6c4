"""One trial as it is usually written in PyTorch: what both rivals run. It knows no explorer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

Trial = dict[str, Any]
Metrics = dict[str, float]


def read_trials(path: Path) -> list[Trial]:
    """Dicts of batch_size, learning_rate, momentum, steps, evaluation_steps and seed."""
    trials: list[Trial] = json.loads(path.read_text(encoding="utf-8"))
    return trials


def read_data(path: Path) -> dict[str, Tensor]:
    """Inputs [samples, features] and labels [samples], of the training and of the test set."""
    with np.load(path) as arrays:
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


def write_results(path: Path, results: list[dict[str, Any]]) -> None:
    path.write_text(json.dumps(results), encoding="utf-8")


def train(trial: Trial, data: dict[str, Tensor], report: Callable[[Metrics], object]) -> None:
    """Train one perceptron 40-64-10 and report each evaluation."""
    torch.set_num_threads(1)
    torch.manual_seed(trial["seed"])
    train_set = TensorDataset(data["train_inputs"], data["train_labels"])
    loader = DataLoader(train_set, batch_size=trial["batch_size"], shuffle=True, drop_last=True)
    model = nn.Sequential(
        nn.Linear(data["train_inputs"].shape[1], 64), nn.ReLU(), nn.Linear(64, 10)
    )
    optimizer = torch.optim.SGD(
        model.parameters(), lr=trial["learning_rate"], momentum=trial["momentum"]
    )
    evaluation_steps = set(trial["evaluation_steps"])
    step = 0
    while step < trial["steps"]:
        for inputs, labels in loader:
            optimizer.zero_grad(set_to_none=True)
            functional.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
            step += 1
            if step in evaluation_steps:
                report({"step": step} | evaluate(model, data))
            if step == trial["steps"]:
                break


@torch.inference_mode()
def evaluate(model: nn.Module, data: dict[str, Tensor]) -> Metrics:
    """Mean cross-entropy and accuracy, each set in one batch."""
    metrics: Metrics = {}
    for name in ("train", "test"):
        inputs, labels = data[f"{name}_inputs"], data[f"{name}_labels"]
        logits = model(inputs)
        metrics[f"{name}_loss"] = functional.cross_entropy(logits, labels).item()
        metrics[f"{name}_accuracy"] = (logits.argmax(1) == labels).float().mean().item()
    return metrics
