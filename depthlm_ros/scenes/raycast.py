"""Cast the rays of pinhole images at shapes: which shape is seen at a pixel, and how far.

Images are cut into square tiles; a shape meets only the rays of the tiles that its outline can
touch, so that cost follows what is seen and not how much there is. Tiles of all images of a
batch go through together, on a CPU in pieces that fit its cache. Exact: no meshes, no sampling.
"""

from dataclasses import dataclass

import torch

from depthlm_ros.scenes.primitives import BOX, CYLINDER, ELLIPSOID

NEAR_M = 0.03
TILE = 16
_PIECE = {"cpu": 400, "cuda": 200_000}
_ID_BITS = 24
_EDGES = [(a, a | bit) for bit in (1, 2, 4) for a in range(8) if not a & bit]


@dataclass(frozen=True)
class Cameras:
    """B pinhole cameras of one size, on one device.

    ``rotation`` (B, 3, 3): optical frame to world; ``position`` (B, 3) [m]; ``fx``, ``fy``,
    ``cx``, ``cy`` [px]; ``width``, ``height`` [px].
    """

    rotation: torch.Tensor
    position: torch.Tensor
    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def tiles(self) -> tuple[int, int]:
        """Return how many tiles there are (across, down)."""
        return -(-self.width // TILE), -(-self.height // TILE)

    def rays(self) -> torch.Tensor:
        """Return rays (x, y, 1) in the optical frame, tile by tile: (tiles, TILE * TILE, 3)."""
        across, down = self.tiles()
        device = self.position.device
        x = (torch.arange(across * TILE, device=device) - self.cx) / self.fx
        y = (torch.arange(down * TILE, device=device) - self.cy) / self.fy
        x = x.view(1, across, 1, TILE).expand(down, -1, TILE, -1)
        y = y.view(down, 1, TILE, 1).expand(-1, across, -1, TILE)
        rays = torch.stack([x, y, torch.ones_like(x)], dim=-1)
        return rays.reshape(down * across, TILE * TILE, 3)

    def untile(self, tiled: torch.Tensor) -> torch.Tensor:
        """Turn (B * tiles, TILE * TILE, ...) into images (B, height, width, ...)."""
        across, down = self.tiles()
        x = tiled.reshape(-1, down, across, TILE, TILE, *tiled.shape[2:]).transpose(2, 3)
        x = x.reshape(-1, down * TILE, across * TILE, *tiled.shape[2:])
        return x[:, : self.height, : self.width]


@dataclass(frozen=True)
class World:
    """The shapes of B scenes, one after the other, as tensors; ``image`` (N,): whose each is."""

    kind: torch.Tensor
    centre: torch.Tensor
    half: torch.Tensor
    rotation: torch.Tensor
    material: torch.Tensor
    object_id: torch.Tensor
    picture: torch.Tensor

    @classmethod
    def of(cls, shapes: list, device: torch.device) -> "World":
        """Join the ``Shapes`` of B scenes."""

        def join(name):
            return torch.cat([torch.from_numpy(getattr(s, name)) for s in shapes]).to(device)

        picture = torch.repeat_interleave(
            torch.arange(len(shapes)), torch.tensor([len(s) for s in shapes])
        )
        names = ("kind", "centre", "half", "rotation", "material", "object_id")
        return cls(*(join(name) for name in names), picture.to(device))


@torch.no_grad()
def raycast(world: World, cameras: Cameras) -> tuple[torch.Tensor, torch.Tensor]:
    """Return z-depth [m] and index of the nearest shape, each (B * tiles, TILE * TILE).

    Where a ray meets nothing: +Inf and -1.
    """
    device = cameras.position.device
    across, down = cameras.tiles()
    shape, tile = _pairs(world, cameras)
    # One number orders hits by depth and then by shape: positive floats sort as their bits do.
    nothing = torch.iinfo(torch.int64).max
    best = torch.full(
        (len(cameras.position) * across * down * TILE * TILE,), nothing, device=device
    )
    origin, turn = _local_frames(world, cameras)
    rays, pixel = cameras.rays(), torch.arange(TILE * TILE, device=device)
    piece = _PIECE.get(device.type, 200_000)
    for kind, hit in ((BOX, intersect_box), (CYLINDER, hit_cylinder), (ELLIPSOID, hit_ellipsoid)):
        chosen = (world.kind[shape] == kind).nonzero()[:, 0]
        for rows in chosen.split(piece):
            s, t = shape[rows], tile[rows]
            towards = torch.bmm(rays[t % (across * down)], turn[s])
            z = hit(origin[s][:, None, :], towards)
            row, column = torch.isfinite(z).nonzero(as_tuple=True)
            key = (z[row, column].view(torch.int32).long() << _ID_BITS) | s[row]
            best.scatter_reduce_(0, t[row] * (TILE * TILE) + pixel[column], key, "amin")
    seen = best != nothing
    depth = torch.where(seen, (best >> _ID_BITS).int().view(torch.float32), torch.inf)
    index = torch.where(seen, best & ((1 << _ID_BITS) - 1), -1)
    return depth.view(-1, TILE * TILE), index.view(-1, TILE * TILE)


def _local_frames(world: World, cameras: Cameras) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each shape's view of its camera, in a frame where the shape has unit size.

    Origin (N, 3) and the matrix (N, 3, 3) that a row of optical coordinates is multiplied by.
    """
    offset = (cameras.position[world.picture] - world.centre)[:, None]
    origin = torch.bmm(offset, world.rotation)[:, 0] / world.half
    turn = torch.bmm(cameras.rotation[world.picture].mT, world.rotation)
    return origin, turn / world.half[:, None, :]


def _pairs(world: World, cameras: Cameras) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (shape, tile) for every tile that a shape's bounding box may touch."""
    across, down = cameras.tiles()
    low, high = _outline(world, cameras)
    limit = low.new_tensor([across * TILE, down * TILE])
    seen = (high > -0.5).all(1) & (low < limit - 0.5).all(1) & (low <= high).all(1)
    first = ((low + 0.5).clamp_min(0) / TILE).floor().long()
    last = (torch.minimum(high + 0.5, limit - 1) / TILE).floor().long().clamp_min(0)
    last = torch.minimum(last, last.new_tensor([across - 1, down - 1]))
    size = (last - first + 1).clamp_min(0) * seen[:, None]
    count = size[:, 0] * size[:, 1]
    shape = torch.repeat_interleave(torch.arange(len(count), device=count.device), count)
    begin = count.cumsum(0) - count
    step = torch.arange(len(shape), device=count.device) - begin[shape]
    column = first[shape, 0] + step % size[shape, 0]
    row = first[shape, 1] + step // size[shape, 0]
    return shape, world.picture[shape] * (across * down) + row * across + column


def _outline(world: World, cameras: Cameras) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the pixel rectangle (N, 2), (N, 2) of each bounding box in front of NEAR_M."""
    device = world.centre.device
    signs = torch.tensor(
        [[(c >> k & 1) * 2.0 - 1 for k in range(3)] for c in range(8)], device=device
    )
    corners = torch.bmm(signs * world.half[:, None], world.rotation.mT) + world.centre[:, None]
    seen = torch.bmm(
        corners - cameras.position[world.picture][:, None], cameras.rotation[world.picture]
    )
    a, b = (seen[:, list(ends)] for ends in zip(*_EDGES, strict=True))
    za, zb = a[..., 2:], b[..., 2:]
    share = ((NEAR_M - za) / torch.where(zb == za, torch.ones_like(za), zb - za)).clamp(0, 1)
    cut = torch.lerp(a, b, share)
    ends = torch.cat([torch.where(za >= NEAR_M, a, cut), torch.where(zb >= NEAR_M, b, cut)], 1)
    front = ((za >= NEAR_M) | (zb >= NEAR_M)).repeat(1, 2, 1)
    scale = ends.new_tensor([cameras.fx, cameras.fy])
    centre = ends.new_tensor([cameras.cx, cameras.cy])
    pixels = ends[..., :2] / ends[..., 2:].clamp_min(NEAR_M) * scale + centre
    low = torch.where(front, pixels, torch.inf).amin(1)
    high = torch.where(front, pixels, -torch.inf).amax(1)
    return low, high


def _first(entry: torch.Tensor, hit: torch.Tensor) -> torch.Tensor:
    """Return the entry where there is one in front of the camera, else +Inf."""
    return torch.where(hit & (entry > NEAR_M), entry, torch.inf)


def intersect_box(origin: torch.Tensor, towards: torch.Tensor) -> torch.Tensor:
    """Return where rays enter the box [-1, 1]^3: ``origin`` (M, 1, 3), ``towards`` (M, P, 3)."""
    inverse = 1.0 / torch.where(towards.abs() < 1e-12, 1e-12, towards)
    middle, reach = -origin * inverse, inverse.abs()
    entry, leave = (middle - reach).amax(-1), (middle + reach).amin(-1)
    return _first(entry, entry < leave)


def _quadratic(origin: torch.Tensor, towards: torch.Tensor) -> tuple:
    """Return where rays enter and leave the unit ball of these coordinates, and whether at all."""
    a = towards.square().sum(-1)
    b = (origin * towards).sum(-1)
    c = origin.square().sum(-1) - 1
    root = b * b - a * c
    width = root.clamp_min(0).sqrt()
    a = a.clamp_min(1e-20)
    return (-b - width) / a, (-b + width) / a, root > 0


def hit_ellipsoid(origin: torch.Tensor, towards: torch.Tensor) -> torch.Tensor:
    """Return where rays enter the unit ball; arguments as in ``intersect_box``."""
    entry, _, hit = _quadratic(origin, towards)
    return _first(entry, hit)


def hit_cylinder(origin: torch.Tensor, towards: torch.Tensor) -> torch.Tensor:
    """Return where rays enter the cylinder of radius 1 and |z| <= 1; as in ``intersect_box``."""
    side, out, hit = _quadratic(origin[..., :2], towards[..., :2])
    inverse = 1.0 / torch.where(towards[..., 2].abs() < 1e-12, 1e-12, towards[..., 2])
    middle, reach = -origin[..., 2] * inverse, inverse.abs()
    entry = torch.maximum(side, middle - reach)
    return _first(entry, hit & (entry < torch.minimum(out, middle + reach)))
