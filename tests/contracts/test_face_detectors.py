"""What every face detector promises. The networks are toys with the real models' signatures, made here and loaded
through the product's real loading code: they find pure red squares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import skimage.data
from onnx import TensorProto, helper, numpy_helper

from clip_platform.errors import EngineUnavailable
from clip_platform.resources.engines import FaceDetectorResource
from clip_platform.vision.backends.insightface import InsightFaceDetector
from clip_platform.vision.backends.opencv import HaarDetector, YuNetDetector
from clip_platform.vision.tracks import Box, FaceDetector

STRIDES = (8, 16, 32)
SIDE_PX = 96


class _Graph:
    """Nodes and constants of a network that measures how red each cell of its input is."""

    def __init__(self, weights: tuple[float, float, float]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        kernel = self.constant("weights", np.array(weights, np.float32).reshape(1, 3, 1, 1))
        self.redness = self.add("Conv", ["input", kernel], kernel_shape=[1, 1])

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def add(self, kind: str, inputs: list[str], output: str = "", **attributes: object) -> str:
        output = output or f"{kind}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def red_cells(self, stride: int, threshold: float, gain: float) -> str:
        """Probability per cell of `stride` pixels that it is red, shape (1, 1, rows, columns)."""
        mean = self.add("AveragePool", [self.redness], kernel_shape=[stride, stride], strides=[stride, stride])
        over = self.add("Sub", [mean, self.constant(f"threshold{stride}", np.array(threshold, np.float32))])
        return self.add(
            "Sigmoid", [self.add("Mul", [over, self.constant(f"gain{stride}", np.array(gain, np.float32))])]
        )

    def reshaped(self, value: str, name: str, shape: tuple[int, ...], output: str = "") -> str:
        return self.add("Reshape", [value, self.constant(name, np.array(shape, np.int64))], output)

    def output(self, name: str, shape: tuple[object, ...]) -> None:
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def save(self, path: Path, input_shape: tuple[object, ...]) -> Path:
        taken = helper.make_tensor_value_info("input", TensorProto.FLOAT, input_shape)
        graph = helper.make_graph(self.nodes, "toy", [taken], self._outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        onnx.save(model, path)
        return path


def make_toy_scrfd(path: Path) -> Path:
    """SCRFD with landmarks: per stride scores (n, 1), box distances (n, 4), landmarks (n, 10), two anchors a cell; the
    second anchor never finds anything. Input is RGB, about -1..1."""
    graph = _Graph((1.0, -0.5, -0.5))
    for kind, width in (("score", 1), ("bbox", 4), ("kps", 10)):
        for stride in STRIDES:
            graph.output(f"{kind}{stride}", (f"n{stride}", width))
    for stride in STRIDES:
        cells = graph.reshaped(graph.red_cells(stride, 0.8, 40.0), f"column{stride}", (-1, 1))
        anchors = graph.constant(f"anchors{stride}", np.array([[1.0, 0.0]], np.float32))
        scores = graph.reshaped(graph.add("MatMul", [cells, anchors]), f"rows{stride}", (-1, 1), f"score{stride}")
        distances = np.array([[2.5, 2.5, 3.5, 3.5]], np.float32)
        landmarks = np.tile(np.array([[0.5, 0.5]], np.float32), (1, 5))
        for kind, value in (("bbox", distances), ("kps", landmarks)):
            zeros = graph.constant(f"{kind}zeros{stride}", np.zeros((1, value.shape[1]), np.float32))
            always = graph.constant(f"{kind}always{stride}", value)
            graph.add("Add", [graph.add("MatMul", [scores, zeros]), always], f"{kind}{stride}")
    return graph.save(path, (1, 3, "height", "width"))


def make_toy_yunet(path: Path, height: int = 256, width: int = 384) -> Path:
    """YuNet of 2023: per stride class and objectness (1, n, 1), box (1, n, 4), landmarks (1, n, 10). Input is
    BGR, 0..255."""
    graph = _Graph((-0.5, -0.5, 1.0))
    for kind, count in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
        for stride in STRIDES:
            graph.output(f"{kind}_{stride}", (1, (height // stride) * (width // stride), count))
    for stride in STRIDES:
        cells = graph.red_cells(stride, 200.0, 0.2)
        graph.reshaped(cells, f"class{stride}", (1, -1, 1), f"cls_{stride}")
        graph.reshaped(cells, f"object{stride}", (1, -1, 1), f"obj_{stride}")
        for kind, value in (("bbox", [0.5, 0.5, np.log(6.0), np.log(6.0)]), ("kps", [0.5] * 10)):
            column = graph.reshaped(cells, f"{kind}column{stride}", (1, -1, 1))
            zeros = graph.constant(f"{kind}zeros{stride}", np.zeros((1, 1, len(value)), np.float32))
            always = graph.constant(f"{kind}always{stride}", np.array(value, np.float32).reshape(1, 1, -1))
            graph.add("Add", [graph.add("Mul", [column, zeros]), always], f"{kind}_{stride}")
    return graph.save(path, (1, 3, height, width))


@dataclass(frozen=True)
class Case:
    """A detector, a BGR picture in which it must find one thing, and where that is."""

    detector: FaceDetector
    picture: np.ndarray
    truth: Box


def red_square() -> np.ndarray:
    picture = np.full((256, 384, 3), 128, np.uint8)
    picture[96 : 96 + SIDE_PX, 128 : 128 + SIDE_PX] = (0, 0, 255)
    return picture


@pytest.fixture(scope="module", params=["haar", "yunet", "insightface"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("toy")
    square = Box(128, 96, SIDE_PX, SIDE_PX)
    if request.param == "haar":
        return Case(HaarDetector(), skimage.data.astronaut()[:, :, ::-1].copy(), Box(177, 70, 93, 105))
    if request.param == "yunet":
        return Case(YuNetDetector(make_toy_yunet(folder / "toy_yunet.onnx")), red_square(), square)
    make_toy_scrfd(folder / "det_toy.onnx")
    return Case(InsightFaceDetector(folder), red_square(), square)


def test_it_finds_what_it_knows_inside_the_picture(case: Case):
    faces = case.detector.detect(case.picture)

    assert faces
    assert max(face.box.overlap_ratio(case.truth) for face in faces) > 0.2
    height, width = case.picture.shape[:2]
    for face in faces:
        assert 0 <= face.box.x <= face.box.x + face.box.width <= width
        assert 0 <= face.box.y <= face.box.y + face.box.height <= height
        assert 0 <= face.confidence <= 1


def test_engines_that_know_landmarks_give_five_in_pixels_of_the_picture(case: Case):
    best = max(case.detector.detect(case.picture), key=lambda face: face.box.overlap_ratio(case.truth))

    if isinstance(case.detector, HaarDetector):
        assert best.landmarks is None
    else:
        assert best.landmarks is not None
        assert len(best.landmarks) == 5
        height, width = case.picture.shape[:2]
        assert all(0 <= x < width and 0 <= y < height for x, y in best.landmarks)
        assert all(abs(x - best.box.centre[0]) <= best.box.width for x, _ in best.landmarks)


def test_it_finds_nothing_where_nothing_is(case: Case):
    assert case.detector.detect(np.full_like(case.picture, 128)) == []
    assert case.detector.detect(np.zeros_like(case.picture)) == []


def test_a_picture_of_a_few_pixels_is_no_error(case: Case):
    assert case.detector.detect(np.zeros((2, 2, 3), np.uint8)) == []


def test_it_takes_grey_pictures_and_finds_the_same_faces_unless_it_needs_colour(case: Case):
    grey = cv2.cvtColor(case.picture, cv2.COLOR_BGR2GRAY)

    faces = case.detector.detect(grey)

    assert faces == ([] if case.detector.needs_colour else case.detector.detect(case.picture))


def test_it_answers_the_same_twice_and_leaves_the_picture_alone(case: Case):
    picture = case.picture.copy()

    first, second = case.detector.detect(picture), case.detector.detect(picture)

    assert first == second
    assert np.array_equal(picture, case.picture)


def test_a_part_of_a_picture_is_searched_as_well(case: Case):
    left, top = int(case.truth.x) - 60, max(0, int(case.truth.y) - 60)
    part = case.picture[top : top + 256, left : left + 256].copy()

    assert case.detector.detect(part)


def test_its_name_tells_engine_and_model(case: Case):
    assert case.detector.name.split()[0] in ("opencv", "insightface")
    assert len(case.detector.name.split()) >= 3


def test_a_folder_without_models_is_an_error_with_a_remedy_and_nothing_is_downloaded(tmp_path: Path):
    (tmp_path / "empty").mkdir()

    for pack in (tmp_path / "missing", tmp_path / "empty"):
        with pytest.raises(EngineUnavailable, match=r"name a folder with a detection model"):
            InsightFaceDetector(pack)

    assert not (tmp_path / "missing").exists()


def test_a_damaged_model_is_an_error_that_names_it(tmp_path: Path):
    (tmp_path / "det_broken.onnx").write_bytes(b"not a model")

    with pytest.raises(EngineUnavailable, match="cannot be read"):
        InsightFaceDetector(tmp_path)
    with pytest.raises(EngineUnavailable, match="is not a YuNet model"):
        YuNetDetector(tmp_path / "det_broken.onnx")


def test_a_missing_yunet_file_is_an_error_with_a_remedy(tmp_path: Path):
    with pytest.raises(EngineUnavailable, match="choose the haar detector"):
        YuNetDetector(tmp_path / "yunet.onnx")


def test_a_provider_that_is_not_installed_is_an_error_with_a_remedy(tmp_path: Path):
    make_toy_scrfd(tmp_path / "det_toy.onnx")

    with pytest.raises(EngineUnavailable, match="has no NoSuchExecutionProvider"):
        InsightFaceDetector(tmp_path, providers=("NoSuchExecutionProvider",))


def test_the_licence_of_insightface_packs_is_told_once_when_the_engine_is_built(tmp_path: Path, caplog):
    make_toy_scrfd(tmp_path / "det_toy.onnx")
    resource = FaceDetectorResource(engine="insightface", model=str(tmp_path))

    with caplog.at_level("WARNING"):
        assert resource.get() is resource.get()

    (told,) = [record.getMessage() for record in caplog.records if "non-commercial" in record.getMessage()]
    assert str(tmp_path) in told
