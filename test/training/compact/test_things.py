"""The thing head's truth, loss and measure, on views drawn by hand; and a training of it alone."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from depthlm_ros.models.compact.thing_head import cell_centres
from depthlm_ros.models.weights.hub import EMBEDDED
from depthlm_ros.training.compact import evaluate_things, train
from depthlm_ros.training.compact.checkpoint import read_start, with_things
from depthlm_ros.training.compact.names import CLASSES, class_of, index_of, words
from depthlm_ros.training.compact.scene_pool import MOST_OBJECTS
from depthlm_ros.training.compact.thing_loss import IGNORE, thing_loss, thing_maps

DOOR = 1 + CLASSES.index("door")


def _view():
    """Return ids (1, 40, 64) of a door of 24 x 16 px and a cup of 4 x 4 px, and their names."""
    ids = torch.zeros(1, 40, 64, dtype=torch.int64)
    ids[0, 8:24, 16:40] = 2
    ids[0, 32:36, 0:4] = 3
    names = np.full((1, MOST_OBJECTS), -1)
    names[0, 2], names[0, 3] = index_of("door"), index_of("cup")
    return ids, names


def test_truth_is_a_class_and_the_box_at_each_cell_and_small_things_are_left_out():
    maps = thing_maps(*_view())
    assert maps.classes.shape == (1, 10, 16)
    assert (maps.classes[0, 2:6, 4:10] == DOOR).all() and (maps.classes == DOOR).sum() == 24
    assert maps.classes[0, 8, 0] == IGNORE and maps.weight[0, 8, 0] == 0
    assert maps.boxes[0, :, 3, 5].tolist() == [16, 8, 40, 24]
    # a door of 24 cells: each weighs 24 ** -0.5; 160 - 24 - 1 = 135 cells show nothing named
    assert maps.weight[0, 3, 5] == pytest.approx(24**-0.5)
    assert maps.weight[0, 0, 0] == pytest.approx(135**-0.5)


def test_books_are_a_class_with_a_book():
    assert class_of("books") == class_of("book") and len(CLASSES) == len(set(CLASSES))


def test_a_word_may_mean_several_classes_and_what_was_not_learned_has_none():
    meant = words(["table", "door"])
    assert [name for name, said in meant.items() if "table" in said] == ["desk", "table"]
    assert "desk" not in meant["desk"] and meant["chair"] == meant["armchair"] == []
    assert list(meant) == list(CLASSES)


def test_the_loss_is_that_of_the_definition():
    maps = thing_maps(*_view())
    scores = torch.zeros(1, 1 + len(CLASSES), 10, 16)
    boxes = maps.boxes.clone()
    parts = thing_loss(scores, boxes, maps)
    assert parts["classes"].item() == pytest.approx(np.log(1 + len(CLASSES)))
    assert parts["boxes"].item() == pytest.approx(0.0, abs=1e-6)
    boxes[:, 2] += 24  # twice as wide: IoU 1/2, the hull is their union
    assert thing_loss(scores, boxes, maps)["boxes"].item() == pytest.approx(0.5)
    boxes = maps.boxes + torch.tensor([36.0, 0, 36, 0])[:, None, None]
    # a gap of 12 px between boxes 24 wide: the hull is 60 wide, a fifth of it empty
    assert thing_loss(scores, boxes, maps)["boxes"].item() == pytest.approx(1 + 0.2)


class _Drawn:
    """A network that has learnt the views by heart, or calls everything a door."""

    def __init__(self, ids, names, shift=0):
        self._maps, self._shift = thing_maps(ids, names), shift
        self.things = self
        self.config = SimpleNamespace(things=words())

    def pyramid(self, rgb):
        """Return nothing: the maps are known."""

    def class_probabilities(self, pyramid):
        """Return certainty about the truth, moved sideways by ``shift`` cells."""
        classes = self._maps.classes.clamp_min(0).roll(self._shift, 2)
        boxes = self._maps.boxes.roll(self._shift, 3)
        boxes = boxes + 4 * self._shift * torch.tensor([1.0, 0, 1, 0])[:, None, None]
        return torch.nn.functional.one_hot(classes, 1 + len(CLASSES)).movedim(3, 1).float(), boxes


@pytest.mark.parametrize("shift, pointed, found", [(0, 1.0, 1.0), (1, 1.0, 1.0), (5, 0.0, 0.0)])
def test_the_measure_counts_points_on_the_thing_and_boxes_that_overlap(shift, pointed, found):
    # 24 px wide: moved by 4 px the IoU is 20/28; by 20 px it is 4/44, the point beside the door
    ids, names = _view()
    pool = SimpleNamespace(
        count=1,
        ids=ids,
        names=names,
        depth=torch.ones(1, 40, 64),
        rgb=torch.zeros(1, 40, 64, 3),
        camera=SimpleNamespace(width=64, height=40),
    )
    figures = evaluate_things.measure_things(_Drawn(ids, names, shift), pool, by_name=True)
    assert (figures["pointed"], figures["found"], figures["right"]) == (pointed, found, pointed)
    assert figures["refused"] == 1.0 and figures["door"] == pointed and "cup" not in figures


def test_centres_of_cells_are_in_pixels_of_the_view():
    u, v = cell_centres(2, 3, "cpu")
    assert u.tolist() == [[2, 6, 10]] and v.tolist() == [[2], [6]]


def test_training_it_alone_leaves_the_rest_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "VIEWS_TO_CHOOSE", 3)
    options = "--things --steps 2 --batch 2 --size 96 128 --fill 3 --pool 3 --measure-every 2"
    train.main(["--out", str(tmp_path), "--start", str(EMBEDDED), *options.split()])
    before, after = with_things(read_start(EMBEDDED)[0]), read_start(tmp_path / "start")[0]
    own = before.state_dict()
    for name, value in after.state_dict().items():
        same = torch.equal(value, own[name])
        assert same or name.startswith("things."), name
    assert not torch.equal(after.things.classes[2].weight, before.things.classes[2].weight)


def test_the_shipped_weights_find_what_they_offer():
    """On 30 views of scenes that took no part: the card says 0.82, 0.86 and 0.99 of 600."""
    network, _ = read_start(EMBEDDED)
    offered = [name for name, said in network.config.things.items() if name in said]
    assert {"door", "person", "window", "box", "plant"} <= set(offered)
    figures = evaluate_things.measure_things(network.eval(), evaluate_things.held_out_views(10))
    assert figures["pointed"] > 0.7 and figures["right"] > 0.75 and figures["refused"] > 0.95
