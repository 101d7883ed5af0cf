"""A face detection network with the inputs and outputs of SCRFD (Guo et al., ICLR 2022) and random weights, which never
finds a face: what it costs is real. InsightFace's own packs are for non-commercial use, so none is fetched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

STRIDES = (8, 16, 32)
CHANNELS = (32, 64, 96, 160, 224)
REPEATS = (0, 5, 6, 4, 2)
"""Plain 3 × 3 convolutions: 12 billion multiplications at 640 × 640 pixels, where SCRFD-10GF has 13."""
HEAD_CHANNELS = 80

_ANCHORS = 2
_NEVER = -10.0


def save_random_scrfd(
    folder: Path, channels: Sequence[int] = CHANNELS, repeats: Sequence[int] = REPEATS, head: int = HEAD_CHANNELS
) -> Path:
    """Writes `folder/det_random.onnx`; the folder then is a pack for `InsightFaceDetector`.

    Args:
        channels: of the maps at strides 2, 4, 8, 16 and 32.
        repeats: convolutions at each, beside the one that halves the map.
        head: channels of the two convolutions before the outputs.
    """
    import onnx

    graph, last = _Graph(), "input.1"
    maps, before = {}, 3
    for level, (width, count) in enumerate(zip(channels, repeats, strict=True)):
        last = graph.convolution(last, before, width, step=2)
        for _ in range(count):
            last = graph.convolution(last, width, width)
        maps[2 ** (level + 1)], before = (last, width), width
    outputs = [graph.heads(*maps[stride], head, stride) for stride in STRIDES]
    path = folder / "det_random.onnx"
    onnx.save(graph.model([names[kind] for kind in range(3) for names in outputs]), str(path))
    return path


class _Graph:
    """Nodes and weights, from the input on."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        self._chance = np.random.default_rng(0)

    def convolution(
        self, taken: str, before: int, after: int, *, step: int = 1, side: int = 3, bias: float = 0.0
    ) -> str:
        """Square, followed by ReLU unless it is of one pixel; the name of what it gives."""
        scale = (2 / (before * side * side)) ** 0.5
        weights = self._constant(self._chance.normal(0, scale, (after, before, side, side)))
        given = self._add(
            "Conv", [taken, weights, self._constant(np.full(after, bias))], strides=[step, step], pads=[side // 2] * 4
        )
        return self._add("Relu", [given]) if side > 1 else given

    def heads(self, taken: str, before: int, width: int, stride: int) -> tuple[str, str, str]:
        """Names of the scores, boxes and landmarks of one stride, one row for each anchor."""
        seen = self.convolution(self.convolution(taken, before, width), width, width)
        scores = self._rows(self.convolution(seen, width, _ANCHORS, side=1, bias=_NEVER), 1)
        return (
            self._add("Sigmoid", [scores], f"score_{stride}"),
            self._rows(self.convolution(seen, width, 4 * _ANCHORS, side=1), 4, f"bbox_{stride}"),
            self._rows(self.convolution(seen, width, 10 * _ANCHORS, side=1), 10, f"kps_{stride}"),
        )

    def model(self, outputs: Sequence[str]) -> Any:
        import onnx
        from onnx import TensorProto, helper

        length = {"score": 1, "bbox": 4, "kps": 10}
        given = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [f"rows_{name}", length[name.partition("_")[0]]])
            for name in outputs
        ]
        taken = helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, "height", "width"])
        graph = helper.make_graph(self._nodes, "random_scrfd", [taken], given, self._weights)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.checker.check_model(made)
        return made

    def _rows(self, taken: str, length: int, name: str = "") -> str:
        moved = self._add("Transpose", [taken], perm=[0, 2, 3, 1])
        return self._add("Reshape", [moved, self._constant(np.array([-1, length], np.int64))], name)

    def _constant(self, value: np.ndarray) -> str:
        from onnx import numpy_helper

        name = f"constant{len(self._weights)}"
        exact = value if value.dtype == np.int64 else value.astype(np.float32)
        self._weights.append(numpy_helper.from_array(exact, name))
        return name

    def _add(self, kind: str, taken: Sequence[str], name: str = "", **attributes: object) -> str:
        from onnx import helper

        name = name or f"{kind.lower()}{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(taken), [name], **attributes))
        return name
