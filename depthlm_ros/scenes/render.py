"""From scenes and camera poses to images with exact depth, distance, normals and object ids.

Light: an ambient part from above and below, lamps that fade with distance, and one of them (the
sun outdoors) with shadows by a shadow map. Exposure is set for each image as an automatic camera
does. Deterministic: equal scenes and poses give equal images on one kind of device.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from depthlm_ros.geometry.camera import PinholeCamera
from depthlm_ros.scenes import textures
from depthlm_ros.scenes.primitives import BOX, CYLINDER
from depthlm_ros.scenes.raycast import Cameras, World, raycast
from depthlm_ros.scenes.scene import Scene

SHADOW_PX = 96
_SHADOW_FOCAL = 0.3
"""Focal length of a lamp's shadow map as a share of its size: it sees 118 degrees."""


@dataclass(frozen=True)
class Pose:
    """Where a camera is: ``position`` (3,) [m]; ``rotation`` (3, 3): optical frame to world."""

    position: np.ndarray
    rotation: np.ndarray

    @classmethod
    def looking(
        cls, position, yaw_rad: float, pitch_rad: float = 0.0, roll_rad: float = 0.0
    ) -> "Pose":
        """Stand at ``position`` (3,), looking along ``yaw``; positive pitch looks up."""
        from depthlm_ros.scenes.primitives import rotation_x, rotation_y, rotation_z

        body = rotation_z(yaw_rad) @ rotation_y(-pitch_rad) @ rotation_x(roll_rad)
        optical = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
        return cls(np.asarray(position, dtype=float), body @ optical)


@dataclass(frozen=True)
class Rendered:
    """B images, as tensors on the device that rendered them.

    ``rgb`` uint8 (B, H, W, 3); ``depth_m`` (z-depth) and ``distance_m`` float32 (B, H, W), +Inf in
    the sky; ``normal`` float32 (B, H, W, 3), optical frame, 0 in the sky; ``object_id`` int16
    (B, H, W), 0 is the sky.
    """

    rgb: torch.Tensor
    depth_m: torch.Tensor
    distance_m: torch.Tensor
    normal: torch.Tensor
    object_id: torch.Tensor


@torch.no_grad()
def render(
    scenes: list[Scene],
    poses: list[Pose],
    camera: PinholeCamera,
    supersample: int = 2,
    device: str | torch.device = "cpu",
    shadow_px: int = SHADOW_PX,
) -> Rendered:
    """Render one image of each scene by the same kind of camera, all in one batch.

    ``supersample``: rays an axis for the colour of a pixel; the truth is that of one ray through
    its centre.
    """
    device = torch.device(device)
    world = World.of([scene.shapes for scene in scenes], device)
    sharp = _cameras(poses, camera, 1, device)
    fine = _cameras(poses, camera, supersample, device)
    lights = _Lights.of(scenes, world, poses, shadow_px, device)
    depth, index = raycast(world, sharp)
    truth = _surface(world, sharp, depth, index)
    if supersample == 1:
        linear = sharp.untile(_shade(world, sharp, truth, lights, scenes))
    else:
        surface = _surface(world, fine, *raycast(world, fine))
        linear = fine.untile(_shade(world, fine, surface, lights, scenes))
        linear = F.avg_pool2d(linear.permute(0, 3, 1, 2), supersample).permute(0, 2, 3, 1)
    rgb = _expose(linear, torch.tensor([s.exposure for s in scenes], device=device))
    return _with_truth(rgb, world, sharp, truth)


def _with_truth(rgb: torch.Tensor, world: World, cameras: Cameras, truth: "_Surface") -> Rendered:
    depth = cameras.untile(truth.depth)
    stretch = cameras.untile(cameras.rays().norm(dim=-1))
    objects = torch.where(truth.index >= 0, world.object_id[truth.index.clamp_min(0)], 0)
    normal = torch.bmm(truth.normal.view(len(rgb), -1, 3), cameras.rotation)
    normal = cameras.untile(normal.view(*truth.index.shape, 3))
    return Rendered(rgb, depth, depth * stretch, normal, cameras.untile(objects).short())


def _cameras(poses: list[Pose], camera: PinholeCamera, scale: int, device) -> Cameras:
    fine = camera.resized(camera.width * scale, camera.height * scale)
    return Cameras(
        _stack([p.rotation for p in poses], device),
        _stack([p.position for p in poses], device),
        fine.fx,
        fine.fy,
        fine.cx,
        fine.cy,
        fine.width,
        fine.height,
    )


def _stack(arrays: list, device) -> torch.Tensor:
    return torch.from_numpy(np.stack([np.asarray(a, dtype=np.float32) for a in arrays])).to(device)


@dataclass(frozen=True)
class _Surface:
    """What each ray meets, (B * tiles, P, ...): depth, shape, and in world axes point and normal.

    ``uv``: place on the surface [m]; ``footprint``: size of a pixel there [m].
    """

    depth: torch.Tensor
    index: torch.Tensor
    point: torch.Tensor
    normal: torch.Tensor
    uv: torch.Tensor
    footprint: torch.Tensor
    towards: torch.Tensor


def _surface(world: World, cameras: Cameras, depth: torch.Tensor, index: torch.Tensor) -> _Surface:
    across, down = cameras.tiles()
    tiles, batch = across * down, len(cameras.position)
    rays = cameras.rays().view(1, -1, 3).expand(batch, -1, -1)
    towards = torch.bmm(rays, cameras.rotation.mT)
    z = torch.where(index >= 0, depth, 1.0).view(batch, -1, 1)
    point = (towards * z + cameras.position[:, None]).view(batch * tiles, -1, 3)
    shape = index.clamp_min(0).flatten()
    flat = point.view(-1, 3)
    rotation, half = world.rotation[shape], world.half[shape]
    local = torch.bmm((flat - world.centre[shape])[:, None], rotation)[:, 0]
    normal, uv = _normal_and_uv(world.kind[shape], local, half)
    normal = torch.bmm(rotation, normal[:, :, None])[:, :, 0]
    normal = normal * (index >= 0).view(-1, 1)
    towards = F.normalize(towards, dim=-1).reshape(-1, 3)
    facing = (normal * towards).sum(-1).abs().clamp_min(0.12)
    footprint = z.flatten() / cameras.fx / facing
    like = (batch * tiles, -1)
    return _Surface(
        depth,
        index,
        point,
        normal.view(*like, 3),
        uv.view(*like, 2),
        footprint.view(like),
        towards.view(*like, 3),
    )


def _normal_and_uv(kind: torch.Tensor, local: torch.Tensor, half: torch.Tensor) -> tuple:
    """Return local normals (P, 3) and surface coordinates (P, 2) [m] of points on shapes."""
    unit = local / half
    axis = unit.abs().argmax(1)
    sign = torch.sign(unit.gather(1, axis[:, None]))
    flat = torch.zeros_like(local).scatter_(1, axis[:, None], sign)
    x, y, z = local.unbind(1)
    u = torch.where(axis == 0, y, x)
    v = torch.where(axis == 2, y, z)
    round_ = (kind != BOX).nonzero()[:, 0]
    if len(round_):
        bent, around, up = _round(kind[round_], local[round_], half[round_])
        flat[round_], u[round_], v[round_] = bent, around, up
    return flat, torch.stack([u, v], dim=1)


def _round(kind: torch.Tensor, local: torch.Tensor, half: torch.Tensor) -> tuple:
    """Return normals (P, 3), u and v (P,) of points on cylinders and ellipsoids.

    u runs around and v up; on the ends of a cylinder they are x and y.
    """
    x, y, z = local.unbind(1)
    cap = (kind == CYLINDER) & (z.abs() > 0.999 * half[:, 2])
    upright = torch.where((kind == CYLINDER)[:, None], local.new_tensor([1.0, 1.0, 0.0]), 1.0)
    bent = F.normalize(local / half.square() * upright, dim=1)
    end = torch.sign(z)[:, None] * local.new_tensor([0.0, 0.0, 1.0])
    around = torch.atan2(y, x) * half[:, 0]
    return (
        torch.where(cap[:, None], end, bent),
        torch.where(cap, x, around),
        torch.where(cap, y, z),
    )


@dataclass(frozen=True)
class _Lights:
    """Lamps of B scenes, padded to L: ``position`` (B, L, 3) or, for the sun, direction to it.

    ``power`` (B, L, 3); ``sun`` bool (B,): the first lamp is the sun. ``shadow``: depth seen by
    the first lamp, (B, S, S), by ``cameras``.
    """

    position: torch.Tensor
    power: torch.Tensor
    sun: torch.Tensor
    ambient: torch.Tensor
    cameras: Cameras
    shadow: torch.Tensor

    @classmethod
    def of(cls, scenes: list[Scene], world: World, poses: list[Pose], size: int, device):
        """Place the lamps and cast the shadow maps."""
        most = max(len(s.lamps) for s in scenes)
        position, power = np.zeros((2, len(scenes), most, 3), dtype=np.float32)
        for row, scene in enumerate(scenes):
            position[row, : len(scene.lamps)] = scene.lamps
            power[row, : len(scene.lamps)] = scene.lamp_power
        cameras = cls._shadow_cameras(scenes, poses, size, device)
        depth, _ = raycast(world, cameras)
        return cls(
            torch.from_numpy(position).to(device),
            torch.from_numpy(power).to(device),
            torch.tensor([s.sun for s in scenes], device=device),
            _stack([s.ambient for s in scenes], device),
            cameras,
            cameras.untile(depth),
        )

    @staticmethod
    def _shadow_cameras(scenes: list[Scene], poses: list[Pose], size: int, device) -> Cameras:
        views = [
            _sun_view(scene, pose) if scene.sun else Pose.looking(scene.lamps[0], 0.0, -np.pi / 2)
            for scene, pose in zip(scenes, poses, strict=True)
        ]
        centre, focal = (size - 1) / 2, _SHADOW_FOCAL * size
        return Cameras(
            _stack([v.rotation for v in views], device),
            _stack([v.position for v in views], device),
            focal,
            focal,
            centre,
            centre,
            size,
            size,
        )

    def lit(self, point: torch.Tensor, normal: torch.Tensor) -> torch.Tensor:
        """Return how much of the first lamp reaches points (B, P, 3), 0 to 1."""
        cameras, size = self.cameras, self.cameras.width
        lifted = point + 0.02 * normal
        in_camera = torch.bmm(lifted - cameras.position[:, None], cameras.rotation)
        z = in_camera[..., 2]
        place = in_camera[..., :2] / z.clamp_min(0.01)[..., None] * (2 * _SHADOW_FOCAL)
        open_air = (z < 0.05) | (place.abs() > 0.98).any(-1)
        texel = z / (_SHADOW_FOCAL * size)
        share = torch.zeros_like(z)
        step = 1.0 / size
        for du, dv in ((-step, -step), (step, -step), (-step, step), (step, step)):
            at = place + place.new_tensor([du, dv])
            nearest = F.grid_sample(
                self.shadow[:, None],
                at[:, None],
                mode="nearest",
                padding_mode="border",
                align_corners=False,
            )[:, 0, 0]
            share += (nearest > z - 2.5 * texel - 0.02).float() / 4
        return torch.where(open_air, 1.0, share)


def _sun_view(scene: Scene, pose: Pose) -> Pose:
    """Look from far along the sun's rays at the ground in front of the camera."""
    towards = np.asarray(scene.lamps[0], dtype=float)
    ahead = pose.rotation[:, 2] * np.array([1.0, 1.0, 0.0])
    target = pose.position * np.array([1.0, 1.0, 0.0]) + 10.0 * ahead
    yaw, pitch = np.arctan2(-towards[1], -towards[0]), -np.arcsin(towards[2])
    return Pose.looking(target + 25.0 * towards, yaw, pitch)


def _shade(
    world: World, cameras: Cameras, surface: _Surface, lights: _Lights, scenes: list[Scene]
) -> torch.Tensor:
    """Return linear colours (B * tiles, P, 3)."""
    batch = len(cameras.position)
    shape = surface.index.clamp_min(0).flatten()
    rows = world.material[shape]
    base = textures.albedo(rows, surface.uv.view(-1, 2), surface.footprint.flatten())
    base = base.view(batch, -1, 3)
    point, normal = surface.point.view(batch, -1, 3), surface.normal.view(batch, -1, 3)
    light = lights.ambient[:, None] * (0.7 + 0.3 * normal[..., 2:])
    shadow = lights.lit(point, normal)[..., None]
    for lamp in range(lights.power.shape[1]):
        place = lights.position[:, lamp, None]
        sun = (lights.sun & (lamp == 0)).view(-1, 1, 1)
        away = torch.where(sun, place, place - point)
        squared = torch.where(sun, 1.0, away.square().sum(-1, keepdim=True) + 0.3)
        lambert = (normal * away).sum(-1, keepdim=True).clamp_min(0) / squared.sqrt()
        arriving = lights.power[:, lamp, None] * lambert / squared
        light = light + (arriving * shadow if lamp == 0 else arriving)
    colour = (base * (light + rows[:, 13].view(batch, -1, 1))).view(-1, 3)
    missed = (surface.index < 0).flatten().nonzero()[:, 0]
    if len(missed):
        picture = missed // (len(colour) // batch)
        colour[missed] = _sky(scenes, picture, surface.towards.view(-1, 3)[missed])
    return colour.view(*surface.index.shape, 3)


def _sky(scenes: list[Scene], picture: torch.Tensor, towards: torch.Tensor) -> torch.Tensor:
    """Return the colour (P, 3) of the sky of scenes[image] (P,) along unit vectors (P, 3)."""
    horizon, zenith = (_stack([s.sky[k] for s in scenes], towards.device)[picture] for k in (0, 1))
    up = towards[:, 2:].clamp_min(0.0)
    x, y = (towards[:, k] / (up[:, 0] + 0.15) for k in (0, 1))
    clouds = (textures.noise(x, y) - 0.3).clamp(0, 1)[:, None]
    return torch.lerp(torch.lerp(horizon, zenith, up.sqrt()), horizon.new_ones(3), 0.5 * clouds)


def _expose(linear: torch.Tensor, exposure: torch.Tensor) -> torch.Tensor:
    """Turn linear light (B, H, W, 3) into uint8 of mean ``exposure``, with soft highlights."""
    mean = linear.mean(dim=(1, 2, 3), keepdim=True).clamp_min(1e-4)
    x = linear * (exposure.view(-1, 1, 1, 1) / mean)
    x = x * (1 + x / 4) / (1 + x)
    return (x.clamp(0, 1).pow(1 / 2.2) * 255 + 0.5).to(torch.uint8)
